SELECT costs.account_id, accounts.name AS account_name, costs.jobs, costs.calls
FROM account_costs AS costs
LEFT JOIN accounts ON accounts.id = costs.account_id
WHERE costs.period = %(period)s AND costs.starts_at = %(starts_at)s AND costs.type = ''
    AND (
        %(before)s::float8 IS NULL
        OR (costs.calls, coalesce(costs.account_id, 0)) < (%(before)s::float8, %(before_id)s::bigint)
    )
ORDER BY costs.calls DESC, coalesce(costs.account_id, 0) DESC
LIMIT %(limit)s
