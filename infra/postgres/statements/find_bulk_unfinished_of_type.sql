WITH looked AS MATERIALIZED (
    -- Ordered as the index is, so that it is read in order and no further than is asked for.
    (
        SELECT id, type, account_id, lane, priority, state, reason, created_at, error, cancel_requested_at
        FROM jobs
        WHERE state = 'pending' AND type = %(type)s AND lane BETWEEN %(first_lane)s AND %(last_lane)s
        ORDER BY type, lane, priority, run_at, id
        LIMIT %(window)s
    )
    UNION ALL
    (
        SELECT id, type, account_id, lane, priority, state, reason, created_at, error, cancel_requested_at
        FROM jobs
        WHERE state IN ('queued', 'running') AND type = %(type)s AND lane BETWEEN %(first_lane)s AND %(last_lane)s
        ORDER BY type, lane
        LIMIT %(window)s
    )
), wanted AS (
    SELECT *
    FROM looked
    WHERE id > %(after_id)s AND id <= %(up_to_id)s
        AND state = ANY(%(states)s::job_state[])
        AND (%(account_id)s::bigint IS NULL OR account_id = %(account_id)s)
        AND (%(reason)s::job_reason IS NULL OR reason = %(reason)s::job_reason)
        AND (%(error_kind)s::text IS NULL OR error ->> 'kind' = %(error_kind)s)
        AND (
            %(error_text)s::text IS NULL
            OR strpos(lower(concat_ws(': ', error ->> 'kind', error ->> 'message')), lower(%(error_text)s::text)) > 0
        )
        AND (%(fingerprint)s::text IS NULL OR error ->> 'fingerprint' = %(fingerprint)s)
        AND created_at >= %(since)s AND created_at < %(until)s
    ORDER BY id
    LIMIT %(limit)s
), reach AS (
    SELECT count(*) AS looked FROM looked
)
SELECT
    %(up_to_id)s::bigint AS reached, NULL::timestamptz AS reached_at, reach.looked, job.id, job.type, job.account_id,
    job.lane, job.priority, job.state, job.reason, job.created_at, job.cancel_requested_at IS NOT NULL
FROM reach
LEFT JOIN wanted AS job ON true
ORDER BY job.id
