WITH resumed AS (
    UPDATE lanes
    SET paused_at = NULL, paused_reason = NULL
    FROM job_types
    WHERE lanes.type = job_types.type AND lanes.lane = %(lane)s AND lanes.paused_at IS NOT NULL
    RETURNING lanes.type, lanes.lane
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at)
    SELECT type, lane, now() FROM resumed
)
SELECT type, lane FROM resumed
