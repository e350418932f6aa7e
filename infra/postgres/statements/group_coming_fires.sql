SELECT
    type, cron, timezone, every_seconds,
    CASE WHEN cron IS NULL THEN date_bin('10 seconds', greatest(next_fire_at, now()), 'epoch') END AS first_at,
    count(*)::int AS schedules
FROM schedules
WHERE state = 'active'
    AND next_fire_at < now() + make_interval(secs => %(ahead_seconds)s)
    AND (%(type)s::text IS NULL OR type = %(type)s)
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1
