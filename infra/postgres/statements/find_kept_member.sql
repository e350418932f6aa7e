SELECT id, account_id, name, password_hash, disabled_at FROM members WHERE lower(email) = lower(%(email)s)
