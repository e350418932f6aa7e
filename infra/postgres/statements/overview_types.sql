WITH RECURSIVE in_flight_type (type) AS (
    -- From type to type along the index, so that all jobs of one are one step.
    (SELECT jobs.type FROM jobs WHERE jobs.state IN ('queued', 'running') ORDER BY jobs.type LIMIT 1)
    UNION ALL
    SELECT (
        SELECT jobs.type FROM jobs WHERE jobs.state IN ('queued', 'running') AND jobs.type > in_flight_type.type
        ORDER BY jobs.type LIMIT 1
    )
    FROM in_flight_type
    WHERE in_flight_type.type IS NOT NULL
), known (type) AS (
    SELECT job_types.type FROM job_types
    UNION
    SELECT in_flight_type.type FROM in_flight_type WHERE in_flight_type.type IS NOT NULL
    UNION
    SELECT unnest(%(pending_types)s::text[])
)
SELECT known.type, job_types.slots, job_types.paused_at, queued.jobs, running.jobs
FROM known
LEFT JOIN job_types ON job_types.type = known.type
-- In the order of an index, so that a type's jobs are counted along it, and no further than asked.
CROSS JOIN LATERAL (
    SELECT count(*) AS jobs FROM (
        SELECT FROM jobs WHERE jobs.type = known.type AND jobs.state = 'queued'
        ORDER BY jobs.lane LIMIT %(count_limit)s
    ) AS counted
) AS queued
CROSS JOIN LATERAL (
    SELECT count(*) AS jobs FROM (
        SELECT FROM jobs WHERE jobs.type = known.type AND jobs.state = 'running'
        ORDER BY jobs.lane LIMIT %(count_limit)s
    ) AS counted
) AS running
ORDER BY known.type
