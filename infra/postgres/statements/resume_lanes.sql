WITH parked AS (
    -- In the order in which dispatch locks lanes.
    SELECT lanes.type, lanes.lane
    FROM job_types
    JOIN lanes ON lanes.type = job_types.type
    WHERE lanes.lane = %(lane)s AND lanes.paused_at IS NOT NULL
    ORDER BY lanes.type
    FOR UPDATE OF lanes
), resumed AS (
    UPDATE lanes
    SET paused_at = NULL, paused_reason = NULL
    FROM parked
    WHERE lanes.type = parked.type AND lanes.lane = parked.lane
    RETURNING lanes.type, lanes.lane
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at)
    SELECT type, lane, now() FROM resumed
)
SELECT type, lane FROM resumed
