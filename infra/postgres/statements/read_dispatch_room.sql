SELECT
    job_types.type,
    alive.slots,
    alive.rate,
    alive.servants,
    (SELECT count(*) FROM jobs WHERE jobs.type = job_types.type AND jobs.state IN ('queued', 'running')) AS in_flight,
    job_types.type_limit,
    -- A type's limit is kept by whoever holds its row: another scheduler may be at it.
    job_types.type_limit IS NULL OR job_types.type = ANY(%(locked_types)s::text[]) AS ours
FROM job_types
JOIN LATERAL (
    SELECT sum(slots)::int AS slots, sum(coalesce(rate, slots))::float8 AS rate, count(*)::int AS servants
    FROM servants
    WHERE servants.type = job_types.type
        AND servants.state = 'active'
        AND servants.heartbeat_at > now() - make_interval(secs => %(alive_seconds)s)
) AS alive ON alive.servants > 0
WHERE job_types.paused_at IS NULL
