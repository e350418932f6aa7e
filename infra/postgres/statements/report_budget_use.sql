WITH told AS (
    -- What was returned or ran out has been counted already: without its row a report adds nothing.
    SELECT greatest(%(used_total)s::bigint - used_total, 0) AS calls
    FROM budget_leases
    WHERE connection_id = %(connection_id)s AND servant_id = %(servant_id)s
), dead AS (
    DELETE FROM budget_leases
    WHERE connection_id = %(connection_id)s AND servant_id <> %(servant_id)s AND expires_at <= now()
    RETURNING calls
), spent AS (
    SELECT coalesce(sum(calls), 0)::int AS calls FROM (SELECT calls FROM told UNION ALL SELECT calls FROM dead) AS part
), old AS (
    DELETE FROM budget_usage
    WHERE connection_id = %(connection_id)s
        AND bucket_at <= now() - make_interval(secs => window_seconds * (1 + 1.0 / %(buckets)s))
)
INSERT INTO budget_usage (connection_id, window_seconds, bucket_at, calls)
SELECT
    budgets.connection_id, budgets.window_seconds,
    -- Read after the lock was had: no earlier than any of these calls.
    to_timestamp(
        floor(extract(epoch FROM clock_timestamp()) * %(buckets)s / budgets.window_seconds)
        * budgets.window_seconds / %(buckets)s
    ),
    spent.calls
FROM budgets
CROSS JOIN spent
WHERE budgets.connection_id = %(connection_id)s AND budgets.window_seconds > 0 AND spent.calls > 0
ON CONFLICT (connection_id, window_seconds, bucket_at) DO UPDATE
SET calls = budget_usage.calls + excluded.calls
