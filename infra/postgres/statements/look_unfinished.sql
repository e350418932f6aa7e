-- `scanned` are the narrow rows of scan_unfinished.sql: most of what waits is told apart by them.
SELECT
    NULL::timestamptz AS order_at, id, jobs.type, jobs.account_id, jobs.lane, priority, jobs.state, reason, attempt,
    failures, created_at, run_at, claimed_at, NULL::timestamptz AS finished_at, NULL::float8 AS run_seconds, servant_id,
    schedule_id, group_id, retry_of, request_id, unique_key, progress_done, progress_total, error, cancel_requested_at
FROM scanned
JOIN jobs USING (id)
WHERE scanned.state = ANY(%(states)s::job_state[])
    AND (%(types)s::text[] IS NULL OR scanned.type = ANY(%(types)s::text[]))
    AND (%(account_ids)s::bigint[] IS NULL OR scanned.account_id = ANY(%(account_ids)s::bigint[]))
    AND (%(lanes)s::text[] IS NULL OR scanned.lane = ANY(%(lanes)s::text[]))
    AND (NOT %(with_error)s OR scanned.has_error)
