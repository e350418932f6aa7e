WITH counted AS (
    SELECT type, minute, state, sum(jobs) AS jobs
    FROM job_rollups
    WHERE minute >= %(since)s AND minute < %(until)s
    GROUP BY type, minute, state
), rolled AS (
    SELECT type, starts_at AS minute, state, jobs
    FROM account_rollups
    WHERE step_seconds = 60 AND account_id IS NULL AND starts_at >= %(since)s AND starts_at < %(until)s
)
SELECT DISTINCT minute, type
FROM counted
LEFT JOIN rolled USING (type, minute, state)
WHERE counted.jobs IS DISTINCT FROM rolled.jobs
ORDER BY minute, type
