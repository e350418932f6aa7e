UPDATE schedulers
SET heartbeat_at = now(), passes = %(passes)s, stopped_at = CASE WHEN %(stopped)s THEN now() END
WHERE id = %(scheduler_id)s
RETURNING id
