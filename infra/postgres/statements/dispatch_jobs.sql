WITH turn AS (
    SELECT *
    FROM unnest(%(types)s::text[], %(lanes)s::text[], %(shares)s::int[], %(ordered)s::bool[], %(charges)s::real[])
        AS row (type, lane, share, ordered, charge)
), head AS (
    -- The oldest unfinished job of each lane in strict order: nothing overtakes it, whatever its state.
    SELECT turn.type, turn.lane, turn.share, oldest.id, oldest.state, oldest.run_at
    FROM turn
    CROSS JOIN LATERAL (
        SELECT jobs.id, jobs.state, jobs.run_at
        FROM jobs
        WHERE jobs.type = turn.type AND jobs.lane = turn.lane AND jobs.ordered
        ORDER BY jobs.id
        LIMIT 1
    ) AS oldest
    WHERE turn.ordered
), picked AS (
    SELECT first.id
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
            LIMIT turn.share
        ) AS due
        -- Waiting makes up for a lower priority.
        ORDER BY due.run_at + make_interval(secs => level.priority * %(age_seconds)s::float8), due.id
        LIMIT turn.share
    ) AS first
    -- Jobs from before their type came to run in order go as they used to.
    WHERE NOT turn.ordered OR NOT EXISTS (SELECT FROM head WHERE head.type = turn.type AND head.lane = turn.lane)
    UNION ALL
    SELECT head.id FROM head WHERE head.share > 0 AND head.state = 'pending' AND head.run_at <= now()
), taken AS (
    -- As an array: the planner cannot know how few rows these are, and would read the whole table to join them.
    SELECT id, type, lane
    FROM jobs
    WHERE id = ANY(ARRAY(SELECT id FROM picked)) AND state = 'pending'
    ORDER BY id
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs
SET state = 'queued', reason = 'dispatch', queued_at = now(), charged_seconds = turn.charge
FROM taken
JOIN turn ON turn.type = taken.type AND turn.lane = taken.lane
WHERE jobs.id = taken.id
RETURNING jobs.id, jobs.type, jobs.lane
