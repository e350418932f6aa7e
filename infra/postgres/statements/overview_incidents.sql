SELECT
    incidents.id, incidents.kind, incidents.connection_id, connections.provider, connections.name, accounts.name,
    count(*) OVER ()::int AS in_all
FROM incidents
JOIN connections ON connections.id = incidents.connection_id
JOIN accounts ON accounts.id = incidents.account_id
WHERE incidents.resolved_at IS NULL
ORDER BY incidents.opened_at, incidents.id
LIMIT %(limit)s
