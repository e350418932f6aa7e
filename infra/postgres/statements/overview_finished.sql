SELECT minute, type, state::text, sum(jobs)::bigint
FROM job_rollups
WHERE minute >= %(since)s AND minute < %(until)s
GROUP BY minute, type, state
ORDER BY minute
