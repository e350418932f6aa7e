INSERT INTO account_sessions (account_id, digest, mode, visit_id, expires_at)
SELECT account_id, %(digest)s, 'assumed', id, expires_at
FROM visits
WHERE id = %(visit_id)s AND state = 'open'
