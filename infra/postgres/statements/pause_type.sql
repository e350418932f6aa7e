UPDATE job_types
SET paused_at = CASE WHEN %(paused)s THEN coalesce(paused_at, now()) END
WHERE type = %(type)s
RETURNING type
