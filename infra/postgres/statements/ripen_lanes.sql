WITH ripe AS (
    SELECT lanes.type, lanes.lane
    FROM lanes
    WHERE wake_at <= now() AND NOT ready AND NOT "full"
    ORDER BY wake_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE lanes
SET ready = true,
    virtual_time = least(
        greatest(lanes.virtual_time, job_types.virtual_time), job_types.virtual_time + %(debt_seconds)s
    )
FROM ripe
JOIN job_types ON job_types.type = ripe.type
WHERE lanes.type = ripe.type AND lanes.lane = ripe.lane
