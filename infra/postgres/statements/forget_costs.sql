WITH old AS (
    DELETE FROM queue_calls
    WHERE step_seconds = 3600 AND starts_at < date_trunc('day', now(), 'UTC') - interval '62 days'
    RETURNING date_trunc('day', starts_at, 'UTC') AS day, type, action, calls
), folded AS (
    INSERT INTO queue_calls AS held (step_seconds, starts_at, type, action, calls)
    SELECT 86400, day, type, action, sum(calls) FROM old GROUP BY day, type, action
    ON CONFLICT (step_seconds, starts_at, type, action) DO UPDATE SET calls = held.calls + excluded.calls
), dropped AS (
    DELETE FROM queue_calls WHERE step_seconds = 86400 AND starts_at < now() - make_interval(days => %(days)s)
)
DELETE FROM account_costs
WHERE period = 'hour' AND starts_at < now() - interval '2 days'
    OR period = 'day' AND starts_at < now() - interval '62 days'
    OR period = 'month' AND starts_at < now() - make_interval(days => %(days)s)
