SELECT
    NULL::timestamptz AS order_at, id, type, account_id, lane, priority, state, reason, attempt, failures, created_at,
    run_at, claimed_at, NULL::timestamptz AS finished_at, NULL::float8 AS run_seconds, servant_id, schedule_id,
    group_id, retry_of, request_id, unique_key, progress_done, progress_total, error, cancel_requested_at
FROM jobs
WHERE state IN ('queued', 'running') AND id < %(before_id)s
-- Not by the key as it is: the planner would walk all that waits in that order, looking for the few.
ORDER BY id + 0 DESC
LIMIT %(window)s
