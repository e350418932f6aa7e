UPDATE connections
SET name = %(name)s, config = %(config)s, updated_at = now()
WHERE id = %(id)s
