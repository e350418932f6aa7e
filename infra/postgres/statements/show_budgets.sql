SELECT
    budgets.window_seconds, budgets.call_limit, budgets.learned_limit, budgets.reserve, budgets.source,
    CASE
        WHEN budgets.window_seconds = 0 THEN 0
        ELSE (
            SELECT coalesce(sum(calls), 0)::int
            FROM budget_usage
            WHERE budget_usage.connection_id = budgets.connection_id
                AND budget_usage.window_seconds = budgets.window_seconds
                AND bucket_at > now() - make_interval(secs => budgets.window_seconds * (1 + 1.0 / %(buckets)s))
        )
    END AS spent,
    CASE WHEN budgets.foreign_until > now() THEN budgets.foreign_calls ELSE 0 END AS foreign_calls,
    (
        SELECT coalesce(sum(CASE WHEN budgets.window_seconds = 0 THEN places ELSE calls END), 0)::int
        FROM budget_leases
        WHERE budget_leases.connection_id = budgets.connection_id
    ) AS lent,
    budgets.learned_at,
    CASE WHEN budget_states.blocked_until > now() THEN budget_states.blocked_until END AS blocked_until,
    budget_states.blocked_reason
FROM budgets
LEFT JOIN budget_states ON budget_states.connection_id = budgets.connection_id
WHERE budgets.connection_id = %(connection_id)s
ORDER BY budgets.window_seconds DESC
