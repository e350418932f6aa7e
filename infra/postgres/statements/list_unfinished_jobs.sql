WITH newest AS MATERIALIZED (
    SELECT id, state, account_id
    FROM jobs
    WHERE id < %(before)s AND (%(type)s::text IS NULL OR type = %(type)s)
    ORDER BY id DESC
    LIMIT %(window)s
), wanted AS (
    SELECT id
    FROM newest
    WHERE state = ANY(%(states)s::job_state[]) AND (%(account_id)s::bigint IS NULL OR account_id = %(account_id)s)
    ORDER BY id DESC
    LIMIT %(limit)s
), reach AS (
    SELECT min(id) AS reached, count(*) AS searched FROM newest
)
SELECT reach.reached, reach.searched, job.*
FROM reach
LEFT JOIN LATERAL (
    SELECT
        jobs.id, jobs.type, jobs.account_id, accounts.name AS account_name, jobs.lane, jobs.priority, jobs.state,
        jobs.reason, jobs.attempt, jobs.failures, jobs.created_at, jobs.run_at, jobs.claimed_at,
        NULL::timestamptz AS finished_at, NULL::float8 AS run_seconds, jobs.progress_done, jobs.progress_total,
        jobs.error
    FROM wanted
    JOIN jobs ON jobs.id = wanted.id
    LEFT JOIN accounts ON accounts.id = jobs.account_id
) AS job ON true
ORDER BY job.id DESC
