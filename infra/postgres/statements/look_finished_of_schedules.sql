SELECT job.*
FROM unnest(%(keys)s::bigint[]) AS wanted (key)
CROSS JOIN LATERAL (
    SELECT
        finished_at AS order_at, id, type, account_id, lane, priority, state, reason, attempt, failures, created_at,
        run_at, claimed_at, finished_at, run_seconds, servant_id, schedule_id, group_id, retry_of, request_id, unique_key,
        progress_done, progress_total, error, cancel_requested_at
    FROM job_history
    WHERE schedule_id = wanted.key
        AND finished_at BETWEEN %(since)s AND %(before_at)s
        AND (finished_at < %(before_at)s OR id < %(before_id)s)
    ORDER BY finished_at DESC, id DESC
    LIMIT %(window)s
) AS job
ORDER BY job.order_at DESC, job.id DESC
LIMIT %(window)s
