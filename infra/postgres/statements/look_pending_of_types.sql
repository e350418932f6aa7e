SELECT job.*
FROM unnest(%(keys)s::text[]) AS wanted (key)
CROSS JOIN unnest(%(first_lanes)s::text[], %(last_lanes)s::text[]) AS lanes (first, last)
CROSS JOIN LATERAL (
    -- Ordered as the index is: no plan by another way is cheaper, whatever the statistics say.
    SELECT
        NULL::timestamptz AS order_at, id, type, account_id, lane, priority, state, reason, attempt, failures, created_at,
        run_at, claimed_at, NULL::timestamptz AS finished_at, NULL::float8 AS run_seconds, servant_id, schedule_id,
        group_id, retry_of, request_id, unique_key, progress_done, progress_total, error, cancel_requested_at
    FROM jobs
    WHERE state = 'pending' AND type = wanted.key AND lane BETWEEN lanes.first AND lanes.last
    ORDER BY type, lane, priority, run_at, jobs.id
    LIMIT %(window)s
) AS job
LIMIT %(window)s
