SELECT
    budgets.window_seconds,
    coalesce(spent.at, '{}') AS at,
    coalesce(spent.calls, '{}') AS calls,
    now()
FROM budgets
CROSS JOIN LATERAL (
    SELECT array_agg(usage.bucket_at ORDER BY usage.bucket_at) AS at,
        array_agg(usage.calls ORDER BY usage.bucket_at) AS calls
    FROM budget_usage AS usage
    WHERE usage.connection_id = budgets.connection_id
        AND usage.window_seconds = budgets.window_seconds
        AND usage.bucket_at > now() - make_interval(secs => budgets.window_seconds * (1 + 1.0 / %(buckets)s))
) AS spent
WHERE budgets.connection_id = %(connection_id)s AND budgets.window_seconds > 0
ORDER BY budgets.window_seconds DESC
