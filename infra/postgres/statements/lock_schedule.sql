SELECT id, type, cron, every_seconds, timezone, state, starts_at, next_fire_at, now() AS now
FROM schedules
WHERE id = %(id)s
FOR UPDATE
