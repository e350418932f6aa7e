SELECT
    NULL::timestamptz AS order_at, id, type, account_id, lane, priority, state, reason, attempt, failures, created_at,
    run_at, claimed_at, finished_at, run_seconds, servant_id, schedule_id, group_id, retry_of, request_id, unique_key,
    progress_done, progress_total, error, cancel_requested_at
FROM job_history
WHERE retry_of = ANY(%(keys)s::bigint[]) AND id < %(before_id)s
-- Not by the key as it is: the planner might walk all history in that order, looking for the few.
ORDER BY id + 0 DESC
LIMIT %(window)s
