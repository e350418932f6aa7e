WITH newest AS MATERIALIZED (
    SELECT id, finished_at, state, account_id
    FROM job_history
    WHERE id < %(before)s AND (%(type)s::text IS NULL OR type = %(type)s)
    ORDER BY id DESC
    LIMIT %(window)s
), wanted AS (
    SELECT id, finished_at
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
        past.id, past.type, past.account_id, accounts.name AS account_name, past.lane, past.priority, past.state,
        past.reason, past.attempt, past.failures, past.created_at, past.run_at, past.claimed_at, past.finished_at,
        past.run_seconds, past.progress_done, past.progress_total, past.error
    FROM wanted
    JOIN job_history AS past ON past.id = wanted.id AND past.finished_at = wanted.finished_at
    LEFT JOIN accounts ON accounts.id = past.account_id
) AS job ON true
ORDER BY job.id DESC
