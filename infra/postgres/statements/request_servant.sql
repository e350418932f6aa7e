UPDATE servants
SET request = %(request)s, requested_at = now()
WHERE id = %(id)s
RETURNING id
