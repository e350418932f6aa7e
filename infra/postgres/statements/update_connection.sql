UPDATE connections
SET config = %(config)s, credentials = %(credentials)s, updated_at = now()
WHERE id = %(id)s
RETURNING id
