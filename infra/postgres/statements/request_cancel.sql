UPDATE jobs
SET cancel_requested_at = coalesce(cancel_requested_at, now())
WHERE id = ANY(%(ids)s) AND state = 'running'
RETURNING id
