SELECT connections.account_id, connections.credentials, account_keys.wrapped
FROM connections
LEFT JOIN account_keys ON account_keys.account_id = connections.account_id
WHERE connections.id = %(id)s
FOR NO KEY UPDATE OF connections
