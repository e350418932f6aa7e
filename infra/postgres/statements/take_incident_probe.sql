UPDATE incidents
SET probe_job_id = %(job_id)s, probe_attempt = %(attempt)s, probed_at = now()
WHERE id = %(id)s
    AND resolved_at IS NULL
    AND probe_at <= now()
    AND NOT EXISTS (
        SELECT 1
        FROM jobs
        WHERE jobs.id = incidents.probe_job_id AND jobs.attempt = incidents.probe_attempt AND jobs.state = 'running'
    )
RETURNING id
