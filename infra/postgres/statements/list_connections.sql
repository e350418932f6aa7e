SELECT
    connections.id, connections.account_id, accounts.name AS account_name, connections.provider, connections.name,
    connections.config, connections.state, connections.problem, connections.created_at, connections.updated_at,
    parked.held_at AS parked_at, parked.reason AS parked_reason,
    open_breaker.reason AS breaker_reason
FROM connections
JOIN accounts ON accounts.id = connections.account_id
LEFT JOIN LATERAL (
    SELECT lane_holds.held_at, lane_holds.reason
    FROM job_types
    JOIN lane_holds ON lane_holds.type = job_types.type AND lane_holds.lane = 'connection_id:' || connections.id
    WHERE lane_holds.kind IN ('incident', 'pause')
    ORDER BY lane_holds.held_at
    LIMIT 1
) AS parked ON true
LEFT JOIN LATERAL (
    SELECT breakers.reason
    FROM breakers
    WHERE breakers.scope IN ('connection:' || connections.id, 'provider:' || connections.provider)
        AND breakers.state <> 'closed'
    ORDER BY breakers.scope
    LIMIT 1
) AS open_breaker ON true
WHERE connections.id > %(after)s
    AND (%(connection_id)s::bigint IS NULL OR connections.id = %(connection_id)s)
    AND (%(account_id)s::bigint IS NULL OR connections.account_id = %(account_id)s)
ORDER BY connections.id
LIMIT %(limit)s
