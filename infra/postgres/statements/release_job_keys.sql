DELETE FROM job_keys
USING unnest(%(types)s::text[], %(keys)s::text[], %(ids)s::bigint[]) AS row (type, key, id)
WHERE job_keys.type = row.type AND job_keys.key = row.key AND job_keys.job_id = row.id
