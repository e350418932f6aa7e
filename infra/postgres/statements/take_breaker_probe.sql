UPDATE breakers
SET state = 'half_open', probe_job_id = %(job_id)s, probe_attempt = %(attempt)s, updated_at = now()
WHERE scope = %(scope)s
    AND state <> 'closed'
    AND probe_at <= now()
    AND NOT EXISTS (
        SELECT 1
        FROM jobs
        WHERE jobs.id = breakers.probe_job_id AND jobs.attempt = breakers.probe_attempt AND jobs.state = 'running'
    )
RETURNING scope
