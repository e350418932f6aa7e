UPDATE jobs
SET checkpoint = %(checkpoint)s
WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running'
