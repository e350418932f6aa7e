UPDATE lanes
SET due_at = CASE WHEN next.run_at IS NOT NULL THEN greatest(next.run_at, clock_timestamp()) END,
    "full" = coalesce(flight.jobs >= turn.lane_limit, false)
FROM unnest(%(types)s::text[], %(lanes)s::text[], %(lane_limits)s::int[]) AS turn (type, lane, lane_limit)
LEFT JOIN LATERAL (
    SELECT min(head.run_at) AS run_at
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
    ) AS head
) AS next ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS jobs
    FROM jobs
    WHERE turn.lane_limit IS NOT NULL
        AND jobs.type = turn.type
        AND jobs.lane = turn.lane
        AND jobs.state IN ('queued', 'running')
) AS flight ON true
WHERE lanes.type = turn.type AND lanes.lane = turn.lane
