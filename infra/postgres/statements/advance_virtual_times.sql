UPDATE job_types
SET virtual_time = row.virtual_time
FROM unnest(%(types)s::text[], %(virtual_times)s::float8[]) AS row (type, virtual_time)
WHERE job_types.type = row.type AND job_types.virtual_time < row.virtual_time
