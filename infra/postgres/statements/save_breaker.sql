UPDATE breakers
SET state = %(state)s,
    failed_at = %(failed_at)s::timestamptz[],
    openings = %(openings)s,
    probe_at = %(probe_at)s,
    probe_job_id = NULL,
    probe_attempt = NULL,
    reason = CASE WHEN %(state)s = 'closed' THEN NULL ELSE %(reason)s END,
    opened_at = CASE WHEN %(state)s = 'closed' THEN NULL ELSE coalesce(opened_at, now()) END,
    updated_at = now()
WHERE scope = %(scope)s
