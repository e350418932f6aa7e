SELECT type
FROM job_types
UNION
-- Of a type that no servant ever announced, jobs may have been cancelled.
SELECT type
FROM job_rollups
WHERE minute >= %(since)s AND minute < %(until)s
ORDER BY type
