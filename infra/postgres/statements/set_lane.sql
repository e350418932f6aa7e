INSERT INTO lanes (type, lane, weight, concurrency_limit)
SELECT job_types.type, %(lane)s, coalesce(%(weight)s::real, 1), %(limit)s::int
FROM job_types
WHERE job_types.type = %(type)s
ON CONFLICT (type, lane) DO UPDATE
SET weight = coalesce(%(weight)s::real, lanes.weight),
    concurrency_limit = CASE WHEN %(keep_limit)s THEN lanes.concurrency_limit ELSE excluded.concurrency_limit END,
    -- Looked at again: a limit may have gone up.
    "full" = false
RETURNING type
