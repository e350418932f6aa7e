SELECT
    id, type, host, pid, version, state, slots, busy, rate, memory_bytes, current_jobs, started_at, heartbeat_at,
    received_at, extract(epoch FROM now() - heartbeat_at)::float8 AS heartbeat_seconds
FROM servants
WHERE (%(type)s::text IS NULL OR type = %(type)s)
    AND (%(ended)s OR state IN ('active', 'draining'))
ORDER BY type, id
LIMIT %(limit)s
