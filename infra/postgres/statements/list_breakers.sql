SELECT scope, state, openings, reason, opened_at, probe_at, probe_job_id
FROM breakers
WHERE state <> 'closed'
ORDER BY opened_at
LIMIT %(limit)s
