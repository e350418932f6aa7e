SELECT first.type, first.lane, extract(epoch FROM now() - first.due_at)::float8
FROM job_types
CROSS JOIN LATERAL (
    -- Those whose turn is next; a lane that waits long is among them.
    SELECT lanes.type, lanes.lane, lanes.due_at
    FROM lanes
    WHERE lanes.type = job_types.type AND lanes.ready
    ORDER BY lanes.virtual_time
    LIMIT %(looked_at)s
) AS first
WHERE first.due_at < now()
ORDER BY first.due_at
LIMIT %(limit)s
