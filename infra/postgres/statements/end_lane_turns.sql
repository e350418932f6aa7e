UPDATE lanes
SET due_at = next.run_at,
    ready = next.run_at <= now() AND NOT flight.is_full AND next.run_at IS NOT NULL,
    "full" = flight.is_full,
    virtual_time = lanes.virtual_time + turn.used / lanes.weight
FROM unnest(
    %(types)s::text[], %(lanes)s::text[], %(lane_limits)s::int[], %(ordered)s::bool[], %(useds)s::float8[]
) AS turn (type, lane, lane_limit, ordered, used)
LEFT JOIN LATERAL (
    SELECT min(head.run_at) AS run_at
    FROM (
        SELECT first.run_at
        FROM generate_series(0, 9) AS level (priority)
        CROSS JOIN LATERAL (
            SELECT jobs.run_at
            FROM jobs
            WHERE jobs.type = turn.type
                AND jobs.lane = turn.lane
                AND jobs.priority = level.priority
                AND jobs.state = 'pending'
            ORDER BY jobs.run_at
            LIMIT 1
        ) AS first
        WHERE NOT turn.ordered
        UNION ALL
        -- In strict order the oldest job's time is the lane's; while it is in flight the lane is full.
        SELECT oldest.run_at
        FROM (
            SELECT jobs.run_at
            FROM jobs
            WHERE jobs.type = turn.type AND jobs.lane = turn.lane AND jobs.ordered
            ORDER BY jobs.id
            LIMIT 1
        ) AS oldest
        WHERE turn.ordered
    ) AS head
) AS next ON true
CROSS JOIN LATERAL (
    SELECT turn.lane_limit IS NOT NULL AND turn.lane_limit <= (
        SELECT count(*)
        FROM jobs
        WHERE jobs.type = turn.type AND jobs.lane = turn.lane AND jobs.state IN ('queued', 'running')
    ) AS is_full
) AS flight
WHERE lanes.type = turn.type AND lanes.lane = turn.lane
