UPDATE breakers
SET state = 'open', probe_at = now(), probe_job_id = NULL, probe_attempt = NULL, updated_at = now()
WHERE scope = %(scope)s AND state = 'half_open' AND probe_job_id = %(job_id)s AND probe_attempt = %(attempt)s
RETURNING scope
