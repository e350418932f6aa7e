SELECT
    job.*, accounts.name AS account_name, servants.host AS servant_host, servants.pid AS servant_pid, now() AS seen_at
FROM (
    SELECT
        id, type, account_id, lane, priority, state, reason, attempt, failures, deaths, created_at, run_at, queued_at,
        claimed_at, lease_until, NULL::timestamptz AS finished_at, NULL::float8 AS run_seconds, servant_id, schedule_id,
        fire_at, retry_of, group_id, request_id, unique_key, payload, checkpoint, progress_done, progress_total, error,
        cancel_requested_at, NULL::jsonb AS result
    FROM jobs
    WHERE id = %(id)s
    UNION ALL
    SELECT
        id, type, account_id, lane, priority, state, reason, attempt, failures, deaths, created_at, run_at, queued_at,
        claimed_at, NULL, finished_at, run_seconds, servant_id, schedule_id,
        fire_at, retry_of, group_id, request_id, unique_key, payload, checkpoint, progress_done, progress_total, error,
        cancel_requested_at, result
    FROM job_history
    WHERE id = %(id)s
) AS job
LEFT JOIN accounts ON accounts.id = job.account_id
LEFT JOIN servants ON servants.id = job.servant_id
