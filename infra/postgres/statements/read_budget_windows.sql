SELECT
    budgets.window_seconds,
    CASE budgets.source
        WHEN 'set' THEN least(budgets.call_limit, budgets.learned_limit)
        ELSE coalesce(budgets.learned_limit, budgets.call_limit)
    END AS call_limit,
    budgets.reserve,
    coalesce(weight.at, '{}') AS frees_at,
    coalesce(weight.calls, '{}') AS frees
FROM budgets
CROSS JOIN LATERAL (
    SELECT array_agg(at ORDER BY at) AS at, array_agg(calls ORDER BY at) AS calls
    FROM (
        SELECT
            bucket_at + make_interval(secs => budgets.window_seconds * (1 + 1.0 / %(buckets)s)) AS at,
            budget_usage.calls
        FROM budget_usage
        WHERE budget_usage.connection_id = budgets.connection_id
            AND budget_usage.window_seconds = budgets.window_seconds
        UNION ALL
        SELECT budgets.foreign_until, budgets.foreign_calls WHERE budgets.foreign_calls > 0
    ) AS counted
    WHERE at > clock_timestamp()
) AS weight
WHERE budgets.connection_id = %(connection_id)s
ORDER BY budgets.window_seconds
