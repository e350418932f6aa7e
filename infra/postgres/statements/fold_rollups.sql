WITH old AS (
    DELETE FROM job_rollups
    WHERE minute < date_trunc('day', now()) - interval '2 days'
        AND (minute <> date_trunc('day', minute) OR shard <> 0)
    RETURNING date_trunc('day', minute) AS day, type, state, jobs, run_seconds, wait_seconds
)
INSERT INTO job_rollups (minute, type, state, shard, jobs, run_seconds, wait_seconds)
SELECT day, type, state, 0, sum(jobs), sum(run_seconds), sum(wait_seconds)
FROM old
GROUP BY day, type, state
ORDER BY day, type, state
ON CONFLICT (minute, type, state, shard) DO UPDATE
SET jobs = job_rollups.jobs + excluded.jobs,
    run_seconds = job_rollups.run_seconds + excluded.run_seconds,
    wait_seconds = job_rollups.wait_seconds + excluded.wait_seconds
