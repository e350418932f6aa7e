SELECT
    jobs.id, jobs.type, jobs.account_id, accounts.name AS account_name, jobs.lane, jobs.priority, jobs.state,
    jobs.reason, jobs.attempt, jobs.failures, jobs.created_at, jobs.run_at, jobs.claimed_at,
    NULL::timestamptz AS finished_at, NULL::float8 AS run_seconds, jobs.progress_done, jobs.progress_total, jobs.error
FROM jobs
LEFT JOIN accounts ON accounts.id = jobs.account_id
WHERE jobs.state IN ('queued', 'running')
    AND jobs.state = ANY(%(states)s::job_state[])
    AND (%(type)s::text IS NULL OR jobs.type = %(type)s)
    AND (%(account_id)s::bigint IS NULL OR jobs.account_id = %(account_id)s)
ORDER BY jobs.id DESC
LIMIT %(limit)s
