UPDATE servants
SET metrics_port = %(port)s
WHERE id = %(servant_id)s
RETURNING id
