SELECT
    id, host, pid, version, passes, started_at, heartbeat_at, stopped_at,
    extract(epoch FROM now() - heartbeat_at)::float8 AS heartbeat_seconds
FROM schedulers
WHERE stopped_at IS NULL
ORDER BY id
LIMIT %(limit)s
