SELECT
    job_types.type, job_types.slots, job_types.timeout_seconds, job_types.lane_limit, job_types.type_limit,
    job_types.declared_lane_limit, job_types.declared_type_limit, job_types.limits_by_hand, job_types.order_policy,
    job_types.paused_at,
    (
        SELECT count(*)::int FROM jobs WHERE jobs.type = job_types.type AND jobs.state IN ('queued', 'running')
    ) AS in_flight,
    greatest(0, coalesce(waiting.pending, 0))::bigint AS pending,
    waiting.next_due_at,
    coalesce(waiting.lanes, 0)::int AS lanes,
    alive.servants, alive.slots AS live_slots, alive.busy, alive.draining
FROM job_types
LEFT JOIN (
    SELECT
        type, sum(pending) AS pending, min(due_at) FILTER (WHERE pending > 0) AS next_due_at,
        count(*) FILTER (WHERE pending > 0) AS lanes
    FROM lanes
    GROUP BY type
) AS waiting ON waiting.type = job_types.type
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE servants.state = 'active')::int AS servants,
        coalesce(sum(servants.slots) FILTER (WHERE servants.state = 'active'), 0)::int AS slots,
        coalesce(sum(servants.busy), 0)::int AS busy,
        count(*) FILTER (WHERE servants.state = 'draining')::int AS draining
    FROM servants
    WHERE servants.type = job_types.type
        AND servants.state IN ('active', 'draining')
        AND servants.heartbeat_at > now() - make_interval(secs => %(alive_seconds)s)
) AS alive
WHERE %(type)s::text IS NULL OR job_types.type = %(type)s
ORDER BY job_types.type
