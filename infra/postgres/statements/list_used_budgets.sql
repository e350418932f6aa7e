WITH used AS (
    SELECT
        budgets.connection_id,
        budgets.window_seconds,
        least(budgets.call_limit, budgets.learned_limit) AS most,
        CASE
            WHEN budgets.window_seconds = 0 THEN 0
            ELSE (
                SELECT coalesce(sum(calls), 0)
                FROM budget_usage
                WHERE budget_usage.connection_id = budgets.connection_id
                    AND budget_usage.window_seconds = budgets.window_seconds
                    AND bucket_at > now() - make_interval(secs => budgets.window_seconds * (1 + 1.0 / %(buckets)s))
            )
        END
        + CASE WHEN budgets.foreign_until > now() THEN budgets.foreign_calls ELSE 0 END
        + (
            SELECT coalesce(sum(CASE WHEN budgets.window_seconds = 0 THEN places ELSE calls END), 0)
            FROM budget_leases
            WHERE budget_leases.connection_id = budgets.connection_id
        ) AS calls
    FROM budgets
)
SELECT connection_id, window_seconds, calls / greatest(most, 1)::float8
FROM used
WHERE calls >= %(share)s * most
ORDER BY 3 DESC, 1, 2
LIMIT %(limit)s
