SELECT id, attempt
FROM jobs
WHERE account_id = %(account_id)s AND state = 'running'
ORDER BY id
LIMIT %(limit)s
