SELECT type, state::text, sum(jobs)::bigint
FROM job_rollups
WHERE minute >= %(since)s AND minute < %(until)s
GROUP BY type, state
