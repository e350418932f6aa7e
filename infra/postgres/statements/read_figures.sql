WITH wanted AS (
    SELECT
        date_bin(make_interval(secs => %(step_seconds)s), starts_at, '2001-01-01 00:00:00+00') AS at,
        state, jobs, run_seconds, wait_seconds, run_histogram, wait_histogram
    FROM account_rollups
    WHERE starts_at >= %(since)s
        AND starts_at < %(until)s
        AND (%(type)s::text IS NULL OR type = %(type)s)
        -- Folded when the plan is made: each of the two has an index.
        AND CASE
            WHEN %(account_id)s::bigint IS NULL THEN account_id IS NULL
            ELSE account_id = %(account_id)s
        END
), bar AS (
    SELECT
        wanted.at, wanted.state, one.bucket,
        sum(one.ran)::bigint AS ran,
        sum(one.waited)::bigint AS waited,
        sum(wanted.jobs)::bigint AS jobs,
        sum(wanted.run_seconds) AS run_seconds,
        sum(wanted.wait_seconds) AS wait_seconds
    FROM wanted
    CROSS JOIN LATERAL unnest(wanted.run_histogram, wanted.wait_histogram) WITH ORDINALITY AS one (ran, waited, bucket)
    GROUP BY wanted.at, wanted.state, one.bucket
)
SELECT
    at, state::text, max(jobs), max(run_seconds), max(wait_seconds),
    array_agg(ran ORDER BY bucket),
    array_agg(waited ORDER BY bucket)
FROM bar
GROUP BY at, state
ORDER BY at, state
