UPDATE connections
SET state = 'active', problem = NULL, updated_at = now()
WHERE id = %(id)s
RETURNING id
