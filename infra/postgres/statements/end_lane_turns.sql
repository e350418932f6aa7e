UPDATE lanes
SET due_at = next.run_at,
    ready = next.run_at <= now() AND NOT turn.is_full AND next.run_at IS NOT NULL,
    "full" = turn.is_full,
    pending = lanes.pending - turn.sent,
    virtual_time = lanes.virtual_time + turn.used / lanes.weight
FROM unnest(
    %(types)s::text[], %(lanes)s::text[], %(fulls)s::bool[], %(ordered)s::bool[], %(useds)s::float8[],
    %(sents)s::int[]
) AS turn (type, lane, is_full, ordered, used, sent)
LEFT JOIN LATERAL (
    SELECT coalesce(min(head.run_at) FILTER (WHERE head.in_order), min(head.run_at)) AS run_at
    FROM (
        SELECT first.run_at, false AS in_order
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
        UNION ALL
        -- In strict order the oldest job's time is the lane's; while it is in flight the lane is full.
        SELECT oldest.run_at, true
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
WHERE lanes.type = turn.type AND lanes.lane = turn.lane
