SELECT job_id, attempt, at, evidence
FROM job_events
WHERE job_id = %(id)s AND attempt = %(attempt)s AND evidence IS NOT NULL
ORDER BY at DESC
LIMIT 1
