INSERT INTO members (account_id, email, name, role, invited_by)
VALUES (%(account_id)s, %(email)s, %(name)s, %(role)s, %(by)s)
ON CONFLICT (lower(email)) DO UPDATE
SET name = excluded.name, role = excluded.role, invited_by = excluded.invited_by, disabled_at = NULL
WHERE members.account_id = excluded.account_id AND members.joined_at IS NULL
RETURNING id
