SELECT
    ready.type, ready.lane,
    -- In strict order whatever limit the lane was given, so that it is full while its head is in flight.
    CASE WHEN job_types.order_policy IS NULL THEN coalesce(ready.concurrency_limit, job_types.lane_limit) ELSE 1 END
        AS lane_limit,
    job_types.order_policy IS NOT NULL AS ordered, ready.weight, ready.virtual_time, ready.mean_seconds,
    job_types.virtual_time AS type_virtual_time
FROM unnest(%(types)s::text[]) AS wanted (type)
JOIN job_types ON job_types.type = wanted.type
CROSS JOIN LATERAL (
    SELECT lanes.type, lanes.lane, lanes.concurrency_limit, lanes.weight, lanes.virtual_time, lanes.mean_seconds
    FROM lanes
    WHERE lanes.type = wanted.type AND lanes.ready
    ORDER BY lanes.virtual_time
    LIMIT %(lanes_per_type)s
    FOR UPDATE SKIP LOCKED
) AS ready
