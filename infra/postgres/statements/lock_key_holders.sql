SELECT id
FROM jobs
WHERE id = ANY(%(ids)s::bigint[]) AND state IN ('pending', 'queued') AND unique_key IS NOT NULL
ORDER BY id
FOR UPDATE
