SELECT job.*
FROM unnest(%(keys)s::bigint[]) AS wanted (key)
CROSS JOIN LATERAL (
    SELECT
        NULL::timestamptz AS order_at, id, type, account_id, lane, priority, state, reason, attempt, failures, created_at,
        run_at, claimed_at, finished_at, run_seconds, servant_id, schedule_id, group_id, retry_of, request_id, unique_key,
        progress_done, progress_total, error, cancel_requested_at
    FROM job_history
    WHERE group_id = wanted.key AND id < %(before_id)s
    ORDER BY id DESC
    LIMIT %(window)s
) AS job
ORDER BY job.id DESC
LIMIT %(window)s
