SELECT due.type, due.lane, coalesce(due.concurrency_limit, job_types.lane_limit) AS lane_limit
FROM unnest(%(types)s::text[]) AS wanted (type)
JOIN job_types ON job_types.type = wanted.type
CROSS JOIN LATERAL (
    SELECT lanes.type, lanes.lane, lanes.concurrency_limit
    FROM lanes
    WHERE lanes.type = wanted.type AND lanes.due_at <= now() AND lanes.paused_at IS NULL AND NOT lanes."full"
    ORDER BY lanes.due_at
    LIMIT %(lanes_per_type)s
    FOR UPDATE SKIP LOCKED
) AS due
