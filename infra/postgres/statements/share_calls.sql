WITH called AS (
    SELECT type, sum(calls)::float8 AS calls
    FROM queue_calls
    WHERE step_seconds = 3600 AND starts_at = %(since)s
    GROUP BY type
), ended AS MATERIALIZED (
    SELECT rolled.type, rolled.account_id, sum(rolled.jobs)::bigint AS jobs
    FROM account_rollups AS rolled
    WHERE rolled.starts_at >= %(since)s AND rolled.starts_at < %(since)s::timestamptz + interval '1 hour'
        AND rolled.type IN (SELECT type FROM called)
    GROUP BY rolled.type, rolled.account_id
), total AS (
    SELECT type, jobs FROM ended WHERE account_id IS NULL
), share AS (
    SELECT called.type, ended.account_id, ended.jobs, called.calls * ended.jobs / total.jobs AS calls
    FROM called
    JOIN total ON total.type = called.type AND total.jobs > 0
    JOIN ended ON ended.type = called.type AND ended.account_id IS NOT NULL
    UNION ALL
    -- What is left are jobs of no account, or of a type that ended none all its calls.
    SELECT
        called.type, NULL, coalesce(total.jobs, 0) - coalesce(own.jobs, 0),
        called.calls * CASE
            WHEN coalesce(total.jobs, 0) > 0 THEN 1 - coalesce(own.jobs, 0)::float8 / total.jobs ELSE 1
        END
    FROM called
    LEFT JOIN total ON total.type = called.type
    LEFT JOIN (
        SELECT type, sum(jobs)::bigint AS jobs FROM ended WHERE account_id IS NOT NULL GROUP BY type
    ) AS own ON own.type = called.type
), cell AS (
    SELECT account_id, type, jobs, calls FROM share WHERE jobs > 0 OR calls > 0
    UNION ALL
    SELECT account_id, '', sum(jobs)::bigint, sum(calls) FROM share WHERE jobs > 0 OR calls > 0 GROUP BY account_id
)
INSERT INTO account_costs AS held (period, starts_at, account_id, type, jobs, calls)
SELECT part.period, date_trunc(part.period, %(since)s::timestamptz, 'UTC'), cell.account_id, cell.type, cell.jobs, cell.calls
FROM cell
CROSS JOIN unnest(ARRAY['hour', 'day', 'month']) AS part (period)
ON CONFLICT (period, starts_at, account_id, type) DO UPDATE
SET jobs = held.jobs + excluded.jobs, calls = held.calls + excluded.calls
