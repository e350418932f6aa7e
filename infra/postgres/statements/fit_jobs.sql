-- `scanned` is one of the statements look_*.sql: the jobs that an index leads to, the latest first, so many at a time.
WITH scanned AS MATERIALIZED (
    %(scanned)s
), looked AS (
    %(looked)s
), fitting AS (
    SELECT *
    FROM looked
    -- Where the way reads all at once, it begins at the beginning for every page.
    WHERE (order_at IS NOT NULL OR id < %(before_id)s)
        AND state = ANY(%(states)s::job_state[])
        AND (%(types)s::text[] IS NULL OR type = ANY(%(types)s::text[]))
        AND (%(account_ids)s::bigint[] IS NULL OR account_id = ANY(%(account_ids)s::bigint[]))
        AND (%(lanes)s::text[] IS NULL OR lane = ANY(%(lanes)s::text[]))
        AND (%(reasons)s::job_reason[] IS NULL OR reason = ANY(%(reasons)s::job_reason[]))
        AND (%(kinds)s::text[] IS NULL OR error ->> 'kind' = ANY(%(kinds)s::text[]))
        AND (%(fingerprints)s::text[] IS NULL OR error ->> 'fingerprint' = ANY(%(fingerprints)s::text[]))
        AND (%(groups)s::bigint[] IS NULL OR group_id = ANY(%(groups)s::bigint[]))
        AND (%(schedules)s::bigint[] IS NULL OR schedule_id = ANY(%(schedules)s::bigint[]))
        AND (%(servants)s::bigint[] IS NULL OR servant_id = ANY(%(servants)s::bigint[]))
        AND (%(retries_of)s::bigint[] IS NULL OR retry_of = ANY(%(retries_of)s::bigint[]))
        AND (%(requests)s::text[] IS NULL OR request_id = ANY(%(requests)s::text[]))
        AND (%(keys_held)s::text[] IS NULL OR unique_key = ANY(%(keys_held)s::text[]))
        AND type <> ALL(%(not_types)s::text[])
        AND coalesce(account_id <> ALL(%(not_account_ids)s::bigint[]), true)
        AND reason <> ALL(%(not_reasons)s::job_reason[])
        AND coalesce(error ->> 'kind' <> ALL(%(not_kinds)s::text[]), true)
        AND priority BETWEEN %(priority_from)s AND %(priority_to)s
        AND attempt BETWEEN %(attempts_from)s AND %(attempts_to)s
        AND (
            %(ran_from)s::float8 IS NULL
            OR coalesce(run_seconds, extract(epoch FROM now() - claimed_at)) BETWEEN %(ran_from)s AND %(ran_to)s
        )
        AND coalesce(finished_at, created_at) >= %(since)s
        AND coalesce(finished_at, created_at) < %(until)s
        AND (
            %(texts)s::text[] = '{}'
            OR error IS NOT NULL AND NOT EXISTS (
                SELECT FROM unnest(%(texts)s::text[]) AS said (text)
                WHERE strpos(lower(concat_ws(': ', error ->> 'kind', error ->> 'message')), lower(said.text)) = 0
            )
        )
        AND (
            %(not_texts)s::text[] = '{}'
            OR NOT EXISTS (
                SELECT FROM unnest(%(not_texts)s::text[]) AS said (text)
                WHERE strpos(lower(concat_ws(': ', error ->> 'kind', error ->> 'message')), lower(said.text)) > 0
            )
        )
    ORDER BY order_at DESC, id DESC
    LIMIT %(limit)s
), reach AS (
    SELECT last.id AS reached, last.order_at AS reached_at, (SELECT count(*) FROM scanned) AS looked
    FROM (VALUES (1)) AS one
    LEFT JOIN (SELECT id, order_at FROM scanned ORDER BY order_at, id LIMIT 1) AS last ON true
)
SELECT
    reach.reached, reach.reached_at, reach.looked, job.id, job.type, job.account_id, accounts.name AS account_name,
    job.lane, job.priority, job.state, job.reason, job.attempt, job.failures, job.created_at, job.run_at,
    job.claimed_at, job.finished_at, job.run_seconds, job.progress_done, job.progress_total, job.error
FROM reach
LEFT JOIN fitting AS job ON true
LEFT JOIN accounts ON accounts.id = job.account_id
ORDER BY job.order_at DESC, job.id DESC
