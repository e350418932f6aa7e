SELECT at, attempt, from_state, to_state, reason, detail
FROM job_events
WHERE job_id = %(id)s
ORDER BY at, attempt
LIMIT %(limit)s
