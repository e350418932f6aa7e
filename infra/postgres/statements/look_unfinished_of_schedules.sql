SELECT
    NULL::timestamptz AS order_at, id, type, account_id, lane, priority, state, reason, attempt, failures, created_at,
    run_at, claimed_at, NULL::timestamptz AS finished_at, NULL::float8 AS run_seconds, servant_id, schedule_id,
    group_id, retry_of, request_id, unique_key, progress_done, progress_total, error, cancel_requested_at
FROM jobs
WHERE schedule_id = ANY(%(keys)s::bigint[]) AND id < %(before_id)s
ORDER BY id + 0 DESC
LIMIT %(window)s
