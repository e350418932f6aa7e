SELECT
    connections.id, connections.account_id, connections.provider, connections.name, connections.config,
    connections.credentials, account_keys.wrapped AS wrapped_key
FROM connections
LEFT JOIN account_keys ON account_keys.account_id = connections.account_id
WHERE connections.id = %(id)s
