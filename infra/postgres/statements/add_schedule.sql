INSERT INTO schedules (
    account_id, type, name, cron, every_seconds, timezone, jitter_seconds, catch_up, overlap, payload, lane, priority,
    starts_at, next_fire_at
)
VALUES (
    %(account_id)s, %(type)s, %(name)s, %(cron)s, %(every_seconds)s, %(timezone)s, %(jitter_seconds)s, %(catch_up)s,
    %(overlap)s, %(payload)s, %(lane)s, %(priority)s, %(starts_at)s, %(next_fire_at)s
)
ON CONFLICT (account_id, type, name) DO NOTHING
RETURNING id
