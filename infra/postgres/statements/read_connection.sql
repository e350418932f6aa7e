SELECT id, account_id, provider, name, config FROM connections WHERE id = %(id)s
