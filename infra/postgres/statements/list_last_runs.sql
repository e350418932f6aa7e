SELECT
    asked.schedule_id, run.id AS job_id, run.state, run.fire_at, run.run_at, run.claimed_at, run.finished_at,
    run.run_seconds
FROM unnest(%(schedule_ids)s::bigint[]) AS asked (schedule_id)
CROSS JOIN LATERAL (
    SELECT * FROM (
        SELECT id, state, fire_at, run_at, claimed_at, NULL::timestamptz AS finished_at, NULL::float8 AS run_seconds
        FROM jobs
        WHERE jobs.schedule_id = asked.schedule_id
        ORDER BY fire_at DESC
        LIMIT %(limit)s
    ) AS unfinished
    UNION ALL
    SELECT * FROM (
        SELECT id, state, fire_at, run_at, claimed_at, finished_at, run_seconds
        FROM job_history
        WHERE job_history.schedule_id = asked.schedule_id
        ORDER BY finished_at DESC
        LIMIT %(limit)s
    ) AS finished
    ORDER BY fire_at DESC
    LIMIT %(limit)s
) AS run
ORDER BY asked.schedule_id, run.fire_at DESC
