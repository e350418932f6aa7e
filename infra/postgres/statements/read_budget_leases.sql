SELECT
    clock_timestamp(),
    coalesce(sum(calls), 0)::int AS calls,
    coalesce(sum(places), 0)::int AS places,
    count(*)::int AS holders
FROM budget_leases
WHERE connection_id = %(connection_id)s AND servant_id IS DISTINCT FROM %(servant_id)s
