SELECT id, account_id, provider, name, config, credentials FROM connections WHERE id = %(id)s
