WITH turn AS (
    SELECT row.type, row.lane, least(row.share, row.lane_limit - flight.jobs) AS room
    FROM unnest(%(types)s::text[], %(lanes)s::text[], %(lane_limits)s::int[], %(shares)s::int[])
        AS row (type, lane, lane_limit, share)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN row.lane_limit IS NULL THEN 0 ELSE (
            SELECT count(*)
            FROM jobs
            WHERE jobs.type = row.type AND jobs.lane = row.lane AND jobs.state IN ('queued', 'running')
        ) END AS jobs
    ) AS flight
), picked AS (
    SELECT head.id
    FROM turn
    CROSS JOIN LATERAL (
        SELECT due.id
        FROM generate_series(0, 9) AS level (priority)
        CROSS JOIN LATERAL (
            SELECT jobs.id, jobs.run_at
            FROM jobs
            WHERE jobs.type = turn.type
                AND jobs.lane = turn.lane
                AND jobs.priority = level.priority
                AND jobs.state = 'pending'
                AND jobs.run_at <= now()
            ORDER BY jobs.run_at, jobs.id
            LIMIT greatest(turn.room, 0)
        ) AS due
        ORDER BY level.priority, due.run_at, due.id
        LIMIT greatest(turn.room, 0)
    ) AS head
), taken AS (
    -- As arrays: the planner cannot know how few rows these are, and would read the whole table to join them.
    SELECT id
    FROM jobs
    WHERE id = ANY(ARRAY(SELECT id FROM picked)) AND state = 'pending'
    ORDER BY id
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs
SET state = 'queued', reason = 'dispatch', queued_at = now()
WHERE id = ANY(ARRAY(SELECT id FROM taken))
RETURNING id, type
