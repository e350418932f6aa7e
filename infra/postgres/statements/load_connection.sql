SELECT id, account_id, provider, name, config, credentials
FROM connections
WHERE id = %(connection_id)s AND account_id = %(account_id)s
