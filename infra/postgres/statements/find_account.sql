SELECT id, name, created_at FROM accounts WHERE id = %(id)s OR name = %(name)s
