SELECT
    id, account_id, type, name, cron, every_seconds, timezone, jitter_seconds, catch_up, overlap, payload, lane, priority,
    state, problem, starts_at, next_fire_at, now() AS now
FROM schedules
WHERE id = %(id)s
FOR UPDATE
