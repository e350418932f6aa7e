INSERT INTO lanes (type, lane, weight, concurrency_limit, virtual_time)
SELECT job_types.type, %(lane)s, coalesce(%(weight)s::real, 1), %(limit)s::int, job_types.virtual_time
FROM job_types
WHERE job_types.type = %(type)s
ON CONFLICT (type, lane) DO UPDATE
SET weight = coalesce(%(weight)s::real, lanes.weight),
    concurrency_limit = CASE WHEN %(keep_limit)s THEN lanes.concurrency_limit ELSE excluded.concurrency_limit END,
    -- Looked at again: a limit may have gone up.
    "full" = false,
    -- What it has used beyond the others counts by its new weight, where that is larger.
    virtual_time = CASE
        WHEN lanes.virtual_time > excluded.virtual_time
        THEN excluded.virtual_time
            + (lanes.virtual_time - excluded.virtual_time) * least(1, lanes.weight / %(weight)s::real)
        ELSE lanes.virtual_time
    END
RETURNING type
