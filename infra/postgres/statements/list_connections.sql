SELECT
    connections.id, connections.account_id, accounts.name AS account_name, connections.provider, connections.name,
    connections.config, connections.state, connections.problem, connections.created_at, connections.updated_at,
    parked.paused_at AS parked_at, parked.paused_reason AS parked_reason
FROM connections
JOIN accounts ON accounts.id = connections.account_id
LEFT JOIN LATERAL (
    SELECT lanes.paused_at, lanes.paused_reason
    FROM job_types
    JOIN lanes ON lanes.type = job_types.type AND lanes.lane = 'connection_id:' || connections.id
    WHERE lanes.paused_at IS NOT NULL
    ORDER BY lanes.paused_at
    LIMIT 1
) AS parked ON true
WHERE connections.id > %(after)s
    AND (%(connection_id)s::bigint IS NULL OR connections.id = %(connection_id)s)
    AND (%(account_id)s::bigint IS NULL OR connections.account_id = %(account_id)s)
ORDER BY connections.id
LIMIT %(limit)s
