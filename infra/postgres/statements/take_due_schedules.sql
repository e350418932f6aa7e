SELECT id, cron, every_seconds, timezone, jitter_seconds, catch_up, starts_at, next_fire_at, now()
FROM schedules
WHERE state = 'active' AND next_fire_at <= now()
ORDER BY next_fire_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
