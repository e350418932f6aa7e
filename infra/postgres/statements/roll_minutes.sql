WITH finished AS (
    SELECT
        date_trunc('minute', finished_at, 'UTC') AS minute,
        account_id,
        state,
        -- A job that its own commit completed has no measured time: it ran from its claim to that commit.
        coalesce(
            run_seconds,
            CASE WHEN state = 'completed' THEN date_part('epoch', greatest(finished_at - claimed_at, '0')) END
        ) AS run,
        CASE WHEN claimed_at IS NOT NULL THEN date_part('epoch', greatest(claimed_at - run_at, '0')) END AS wait
    FROM job_history
    WHERE type = %(type)s AND finished_at >= %(since)s AND finished_at < %(until)s
), cell AS (
    SELECT
        minute, account_id, state,
        -- `retinue.histogram`'s buckets, counted from 0; NULL for a job that never ran.
        width_bucket(run, %(bounds)s::float8[]) AS run_bucket,
        width_bucket(wait, %(bounds)s::float8[]) AS wait_bucket,
        count(*) AS jobs,
        coalesce(sum(run), 0) AS run,
        coalesce(sum(wait), 0) AS wait
    FROM finished
    GROUP BY 1, 2, 3, 4, 5
), whose AS (
    SELECT minute, account_id, state, run_bucket, wait_bucket, jobs, run, wait FROM cell WHERE account_id IS NOT NULL
    UNION ALL
    SELECT minute, NULL, state, run_bucket, wait_bucket, sum(jobs), sum(run), sum(wait)
    FROM cell
    GROUP BY minute, state, run_bucket, wait_bucket
), bar AS (
    SELECT
        minute, account_id, state, bucket,
        coalesce(sum(jobs) FILTER (WHERE run_bucket = bucket), 0)::bigint AS ran,
        coalesce(sum(jobs) FILTER (WHERE wait_bucket = bucket), 0)::bigint AS waited,
        sum(jobs) AS jobs,
        sum(run) AS run,
        sum(wait) AS wait
    FROM whose
    CROSS JOIN generate_series(0, cardinality(%(bounds)s::float8[])) AS bucket
    GROUP BY minute, account_id, state, bucket
)
INSERT INTO account_rollups (
    step_seconds, starts_at, type, account_id, state, jobs, run_seconds, wait_seconds, run_histogram, wait_histogram
)
SELECT
    -- Each bar has all of its group's jobs and seconds.
    60, minute, %(type)s, account_id, state, max(jobs), max(run), max(wait),
    array_agg(ran ORDER BY bucket),
    array_agg(waited ORDER BY bucket)
FROM bar
GROUP BY minute, account_id, state
