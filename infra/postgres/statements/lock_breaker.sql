SELECT state, failed_at, openings, probe_at, probe_job_id, probe_attempt, clock_timestamp()
FROM breakers
WHERE scope = %(scope)s
FOR UPDATE
