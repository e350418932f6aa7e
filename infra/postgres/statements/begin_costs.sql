INSERT INTO cost_progress (shared_until)
SELECT coalesce(min(starts_at), date_trunc('hour', now(), 'UTC'))
FROM queue_calls
WHERE step_seconds = 3600
ON CONFLICT (single) DO NOTHING
