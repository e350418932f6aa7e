SELECT id, type, state, payload, result, error
FROM job_history
WHERE group_id = %(id)s AND id > %(after)s AND (%(state)s::job_state IS NULL OR state = %(state)s)
ORDER BY id
LIMIT %(limit)s
