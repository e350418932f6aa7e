SELECT members.id, members.account_id, members.name, members.password_hash, members.disabled_at
FROM members
JOIN accounts ON accounts.id = members.account_id AND accounts.erasing_at IS NULL
WHERE lower(members.email) = lower(%(email)s)
