UPDATE breakers
SET state = 'closed',
    failed_at = '{}',
    openings = 0,
    reason = NULL,
    opened_at = NULL,
    probe_at = NULL,
    probe_job_id = NULL,
    probe_attempt = NULL,
    updated_at = now()
WHERE scope = %(scope)s
    AND state <> 'closed'
    AND (
        %(job_id)s::bigint IS NULL
        OR (state = 'half_open' AND probe_job_id = %(job_id)s::bigint AND probe_attempt = %(attempt)s::integer)
    )
RETURNING scope
