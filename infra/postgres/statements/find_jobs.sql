SELECT id, type, account_id, priority, state, unique_key, payload
FROM jobs
WHERE id = ANY(%(ids)s)
UNION ALL
SELECT id, type, account_id, priority, state, unique_key, payload
FROM job_history
WHERE id = ANY(%(ids)s)
