UPDATE schedulers
SET metrics_port = %(port)s
WHERE id = %(scheduler_id)s
RETURNING id
