WITH old AS (
    DELETE FROM account_rollups
    WHERE step_seconds = %(step_seconds)s AND starts_at >= %(since)s AND starts_at < %(until)s
    RETURNING *
), bar AS (
    SELECT
        old.type, old.account_id, old.state, one.bucket,
        sum(one.ran)::bigint AS ran,
        sum(one.waited)::bigint AS waited,
        sum(old.jobs) AS jobs,
        sum(old.run_seconds) AS run_seconds,
        sum(old.wait_seconds) AS wait_seconds
    FROM old
    CROSS JOIN LATERAL unnest(old.run_histogram, old.wait_histogram) WITH ORDINALITY AS one (ran, waited, bucket)
    GROUP BY old.type, old.account_id, old.state, one.bucket
)
INSERT INTO account_rollups (
    step_seconds, starts_at, type, account_id, state, jobs, run_seconds, wait_seconds, run_histogram, wait_histogram
)
SELECT
    -- Each bar has all of its group's jobs and seconds.
    %(into_seconds)s, %(since)s, type, account_id, state, max(jobs), max(run_seconds), max(wait_seconds),
    array_agg(ran ORDER BY bucket),
    array_agg(waited ORDER BY bucket)
FROM bar
GROUP BY type, account_id, state
