SELECT id, account_id, email, name, role, invited_by, created_at, joined_at, signed_in_at, disabled_at
FROM members
WHERE account_id = %(account_id)s
ORDER BY lower(name), id
