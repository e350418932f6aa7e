INSERT INTO connections (id, account_id, provider, name, config, credentials)
VALUES (%(id)s, %(account_id)s, %(provider)s, %(name)s, %(config)s, %(credentials)s)
ON CONFLICT (account_id, provider, name) DO NOTHING
RETURNING id
