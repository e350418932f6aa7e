SELECT
    job_types.type, job_types.slots, job_types.timeout_seconds, job_types.lane_limit, job_types.type_limit,
    job_types.order_policy, job_types.paused_at,
    (
        SELECT count(*)::int FROM jobs WHERE jobs.type = job_types.type AND jobs.state IN ('queued', 'running')
    ) AS in_flight
FROM job_types
ORDER BY job_types.type
