UPDATE schedules
SET state = 'active', problem = NULL, next_fire_at = %(next_fire_at)s
WHERE id = %(id)s
RETURNING id
