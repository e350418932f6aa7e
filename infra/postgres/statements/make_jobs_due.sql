WITH chosen AS (
    SELECT id
    FROM jobs
    WHERE id = ANY(%(ids)s) AND state = 'pending' AND run_at > now()
    ORDER BY id
    FOR UPDATE
), due AS (
    UPDATE jobs SET run_at = now() FROM chosen WHERE jobs.id = chosen.id RETURNING jobs.id, jobs.type, jobs.lane
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at)
    SELECT DISTINCT type, lane, now() FROM due
)
SELECT id FROM due
