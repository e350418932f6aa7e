UPDATE jobs
SET traceparent = %(traceparent)s
WHERE id = ANY(%(ids)s::bigint[])
