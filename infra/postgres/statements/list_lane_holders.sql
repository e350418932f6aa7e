SELECT id
FROM jobs
WHERE type = %(type)s AND lane = %(lane)s AND state IN ('queued', 'running')
ORDER BY id
LIMIT %(limit)s
