WITH looked AS MATERIALIZED (
    SELECT id, finished_at, type, account_id, lane, state, reason, error
    FROM job_history
    WHERE state <> 'completed'
        AND finished_at >= %(after_at)s
        AND finished_at <= %(up_to)s
        AND finished_at < %(until)s
        AND (finished_at > %(after_at)s OR id > %(after_id)s)
    ORDER BY finished_at, id
    LIMIT %(window)s
), wanted AS (
    SELECT id, finished_at
    FROM looked
    WHERE id <= %(up_to_id)s
        AND state = ANY(%(states)s::job_state[])
        AND (%(type)s::text IS NULL OR type = %(type)s)
        AND (%(account_id)s::bigint IS NULL OR account_id = %(account_id)s)
        AND (%(lane)s::text IS NULL OR lane = %(lane)s)
        AND (%(reason)s::job_reason IS NULL OR reason = %(reason)s::job_reason)
        AND (%(error_kind)s::text IS NULL OR error ->> 'kind' = %(error_kind)s)
        AND (
            %(error_text)s::text IS NULL
            OR strpos(lower(concat_ws(': ', error ->> 'kind', error ->> 'message')), lower(%(error_text)s::text)) > 0
        )
        AND (%(fingerprint)s::text IS NULL OR error ->> 'fingerprint' = %(fingerprint)s)
    ORDER BY finished_at, id
    LIMIT %(limit)s
), reach AS (
    SELECT (array_agg(id ORDER BY finished_at DESC, id DESC))[1] AS reached, max(finished_at) AS reached_at,
        count(*) AS looked
    FROM looked
)
SELECT
    reach.reached, reach.reached_at, reach.looked, past.id, past.type, past.account_id, past.lane, past.priority,
    past.state, past.reason, past.finished_at, false, past.unique_key, past.payload,
    -- The retry may be unfinished, when it holds the key, or be in history itself.
    retried.id IS NOT NULL OR coalesce(holder.retry_of = past.id, false), holder.id IS NOT NULL
FROM reach
LEFT JOIN wanted ON true
LEFT JOIN job_history AS past ON past.id = wanted.id AND past.finished_at = wanted.finished_at
LEFT JOIN jobs AS holder
    ON holder.type = past.type AND holder.unique_key = coalesce(past.unique_key, 'retry:' || past.id)
LEFT JOIN LATERAL (
    SELECT later.id FROM job_history AS later
    WHERE later.retry_of = past.id AND later.finished_at >= past.finished_at
    LIMIT 1
) AS retried ON true
ORDER BY past.finished_at, past.id
