-- One sum for each of the buckets of retinue.histogram: it takes a third of what unnesting them does.
SELECT
    date_bin(make_interval(secs => %(step_seconds)s), starts_at, '2001-01-01 00:00:00+00') AS at,
    state::text,
    sum(jobs)::bigint,
    sum(run_seconds),
    sum(wait_seconds),
    ARRAY[
        sum(run_histogram[1]), sum(run_histogram[2]), sum(run_histogram[3]), sum(run_histogram[4]),
        sum(run_histogram[5]), sum(run_histogram[6]), sum(run_histogram[7]), sum(run_histogram[8]),
        sum(run_histogram[9]), sum(run_histogram[10]), sum(run_histogram[11]), sum(run_histogram[12]),
        sum(run_histogram[13]), sum(run_histogram[14]), sum(run_histogram[15]), sum(run_histogram[16]),
        sum(run_histogram[17]), sum(run_histogram[18]), sum(run_histogram[19]), sum(run_histogram[20]),
        sum(run_histogram[21])
    ]::bigint[],
    ARRAY[
        sum(wait_histogram[1]), sum(wait_histogram[2]), sum(wait_histogram[3]), sum(wait_histogram[4]),
        sum(wait_histogram[5]), sum(wait_histogram[6]), sum(wait_histogram[7]), sum(wait_histogram[8]),
        sum(wait_histogram[9]), sum(wait_histogram[10]), sum(wait_histogram[11]), sum(wait_histogram[12]),
        sum(wait_histogram[13]), sum(wait_histogram[14]), sum(wait_histogram[15]), sum(wait_histogram[16]),
        sum(wait_histogram[17]), sum(wait_histogram[18]), sum(wait_histogram[19]), sum(wait_histogram[20]),
        sum(wait_histogram[21])
    ]::bigint[]
FROM (
    -- Two ways, of which a plan that is kept for all parameters goes one: each has its index.
    SELECT starts_at, type, state, jobs, run_seconds, wait_seconds, run_histogram, wait_histogram
    FROM account_rollups
    WHERE %(account_id)s::bigint IS NULL
        AND account_id IS NULL
        AND starts_at >= %(since)s
        AND starts_at < %(until)s
    UNION ALL
    SELECT starts_at, type, state, jobs, run_seconds, wait_seconds, run_histogram, wait_histogram
    FROM account_rollups
    WHERE account_id = %(account_id)s::bigint
        AND starts_at >= %(since)s
        AND starts_at < %(until)s
) AS wanted
WHERE %(type)s::text IS NULL OR type = %(type)s
GROUP BY at, wanted.state
ORDER BY at, wanted.state
