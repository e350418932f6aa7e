UPDATE incidents
SET probe_job_id = NULL,
    probe_attempt = NULL,
    probe_error = %(error)s,
    probe_at = now() + make_interval(secs => %(seconds)s)
WHERE connection_id = %(connection_id)s
    AND resolved_at IS NULL
    AND probe_job_id = %(job_id)s
    AND probe_attempt = %(attempt)s
RETURNING id
