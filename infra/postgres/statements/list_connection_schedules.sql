SELECT
    schedules.id, schedules.type, schedules.name, schedules.account_id, accounts.name AS account_name,
    schedules.cron, schedules.every_seconds, schedules.timezone, schedules.jitter_seconds, schedules.catch_up,
    schedules.overlap, schedules.payload, schedules.lane, schedules.priority, schedules.state, schedules.problem,
    schedules.starts_at, schedules.next_fire_at, schedules.last_fire_at, schedules.created_at,
    CASE
        WHEN schedules.state = 'active' AND schedules.next_fire_at < now()
        THEN extract(epoch FROM now() - schedules.next_fire_at)::float8
    END AS late_seconds
FROM connections
JOIN schedules ON schedules.account_id = connections.account_id
JOIN accounts ON accounts.id = connections.account_id
WHERE connections.id = %(connection_id)s AND schedules.payload ->> 'connection_id' = connections.id::text
ORDER BY schedules.type, schedules.id
LIMIT %(limit)s
