INSERT INTO rollup_progress (rolled_until, checked_until)
SELECT first.minute, first.minute
FROM (
    -- Every finished job has been counted in job_rollups: its first row is no later than the first of them.
    SELECT coalesce(date_trunc('minute', min(minute)), date_trunc('minute', now())) AS minute FROM job_rollups
) AS first
ON CONFLICT (single) DO NOTHING
