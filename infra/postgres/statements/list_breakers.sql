SELECT
    breakers.scope, breakers.state, breakers.openings, breakers.reason, breakers.opened_at, breakers.probe_at,
    breakers.probe_job_id, connections.id AS connection_id, connections.provider, connections.name AS connection_name,
    accounts.name AS account_name
FROM breakers
LEFT JOIN connections ON connections.id = substring(breakers.scope FROM '^connection:(\d{1,18})$')::bigint
LEFT JOIN accounts ON accounts.id = connections.account_id
WHERE breakers.state <> 'closed'
ORDER BY breakers.opened_at
LIMIT %(limit)s
