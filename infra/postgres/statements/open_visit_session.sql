INSERT INTO account_sessions (account_id, digest, mode, visit_id, expires_at)
SELECT account_id, %(digest)s, 'assumed', id, expires_at
FROM visits
WHERE id = %(visit_id)s AND state = 'open'
-- In another browser, or after the cookie was lost: the secret before opens nothing any more.
ON CONFLICT (visit_id) DO UPDATE SET digest = excluded.digest
