UPDATE incidents
SET resolved_at = now(), resolved_by = %(by)s, probe_job_id = NULL, probe_attempt = NULL, probe_error = NULL
WHERE connection_id = %(connection_id)s
    AND resolved_at IS NULL
    AND kind <> 'part'
    AND (%(job_id)s::bigint IS NULL OR (probe_job_id = %(job_id)s AND probe_attempt = %(attempt)s))
RETURNING id
