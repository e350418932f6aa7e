UPDATE servants
SET state = 'stopped', busy = 0, current_jobs = '[]', heartbeat_at = now()
WHERE id = %(servant_id)s
RETURNING id
