SELECT job.*
FROM unnest(%(keys)s::text[]) AS wanted (key)
CROSS JOIN LATERAL (
    -- Compared and ordered as the index is: no other way, such as the index of all failures, looks cheaper.
    SELECT
        finished_at AS order_at, id, type, account_id, lane, priority, state, reason, attempt, failures, created_at,
        run_at, claimed_at, finished_at, run_seconds, servant_id, schedule_id, group_id, retry_of, request_id, unique_key,
        progress_done, progress_total, error, cancel_requested_at
    FROM job_history
    WHERE (type, finished_at) >= (wanted.key, %(since)s)
        AND (type, finished_at) <= (wanted.key, %(before_at)s)
        AND state <> 'completed'
        AND finished_at BETWEEN %(since)s AND %(before_at)s
        AND (finished_at < %(before_at)s OR id < %(before_id)s)
    ORDER BY type DESC, finished_at DESC, id DESC
    LIMIT %(window)s
) AS job
ORDER BY job.order_at DESC, job.id DESC
LIMIT %(window)s
