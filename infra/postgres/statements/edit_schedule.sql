UPDATE schedules
SET name = %(name)s,
    cron = %(cron)s,
    every_seconds = %(every_seconds)s,
    timezone = %(timezone)s,
    jitter_seconds = %(jitter_seconds)s,
    catch_up = %(catch_up)s,
    overlap = %(overlap)s,
    payload = %(payload)s,
    lane = %(lane)s,
    priority = %(priority)s,
    starts_at = %(starts_at)s,
    next_fire_at = %(next_fire_at)s,
    problem = %(problem)s
WHERE id = %(id)s
RETURNING id
