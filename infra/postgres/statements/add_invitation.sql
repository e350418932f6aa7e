INSERT INTO invitations (account_id, digest, member_id, expires_at)
SELECT account_id, %(digest)s, id, now() + make_interval(days => %(days)s)
FROM members
WHERE id = %(member_id)s
