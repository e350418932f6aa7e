INSERT INTO account_sessions (account_id, digest, mode, member_id, expires_at)
SELECT account_id, %(digest)s, 'self', id, now() + make_interval(secs => %(seconds)s)
FROM members
WHERE id = %(member_id)s
