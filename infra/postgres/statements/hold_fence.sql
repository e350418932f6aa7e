SELECT 1
FROM jobs
WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running'
FOR KEY SHARE
