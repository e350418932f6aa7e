UPDATE jobs
SET on_trial = true
WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running'
RETURNING id
