INSERT INTO queue_calls AS held (step_seconds, starts_at, type, action, calls)
SELECT 3600, date_trunc('hour', now(), 'UTC'), row.type, row.action, row.calls
FROM unnest(%(types)s::text[], %(actions)s::text[], %(calls)s::bigint[]) AS row (type, action, calls)
ORDER BY row.type, row.action
ON CONFLICT (step_seconds, starts_at, type, action) DO UPDATE SET calls = held.calls + excluded.calls
RETURNING 1
