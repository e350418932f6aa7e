DELETE FROM job_keys
WHERE (type, key) IN (
    SELECT type, key FROM job_keys WHERE until < now() ORDER BY until LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
