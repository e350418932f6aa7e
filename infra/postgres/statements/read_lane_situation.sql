SELECT
    job_types.type IS NOT NULL AS type_known,
    job_types.paused_at AS type_paused_at,
    CASE WHEN job_types.order_policy IS NULL THEN coalesce(lanes.concurrency_limit, job_types.lane_limit) ELSE 1 END
        AS lane_limit,
    job_types.type_limit,
    job_types.order_policy IS NOT NULL AS ordered,
    alive.servants,
    alive.slots,
    alive.rate,
    (
        SELECT count(*)::int FROM jobs WHERE jobs.type = asked.type AND jobs.state IN ('queued', 'running')
    ) AS type_in_flight,
    (
        SELECT count(*)::int
        FROM schedulers
        WHERE schedulers.stopped_at IS NULL
            AND schedulers.heartbeat_at > %(now)s - make_interval(secs => %(alive_seconds)s)
    ) AS schedulers
FROM (VALUES (%(type)s::text, %(lane)s::text)) AS asked (type, lane)
LEFT JOIN job_types ON job_types.type = asked.type
LEFT JOIN lanes ON lanes.type = asked.type AND lanes.lane = asked.lane
CROSS JOIN LATERAL (
    SELECT count(*)::int AS servants, coalesce(sum(servants.slots), 0)::int AS slots, sum(servants.rate)::float8 AS rate
    FROM servants
    WHERE servants.type = asked.type
        AND servants.state = 'active'
        AND servants.heartbeat_at > %(now)s - make_interval(secs => %(alive_seconds)s)
) AS alive
