SELECT costs.period, costs.starts_at, costs.type, costs.jobs, costs.calls
FROM unnest(ARRAY['day', 'month']) AS wanted (period)
JOIN account_costs AS costs
    ON costs.account_id = %(account_id)s AND costs.period = wanted.period
    AND costs.starts_at = date_trunc(wanted.period, %(at)s::timestamptz, 'UTC') AND costs.type <> ''
ORDER BY costs.period, costs.calls DESC, costs.type
