WITH chosen AS (
    SELECT id FROM jobs WHERE id = ANY(%(ids)s) AND state = 'pending' ORDER BY id FOR UPDATE
), moved AS (
    UPDATE jobs
    -- Not in the past, or they would count as having waited since.
    SET run_at = greatest(%(run_at)s::timestamptz, now())
    FROM chosen
    WHERE jobs.id = chosen.id
    RETURNING jobs.id, jobs.type, jobs.lane, jobs.run_at
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at)
    SELECT type, lane, min(run_at) FROM moved GROUP BY type, lane
)
SELECT id FROM moved
