WITH ripe AS (
    SELECT lanes.type, lanes.lane
    FROM lanes
    WHERE wake_at <= now() AND NOT ready AND NOT "full"
    ORDER BY wake_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), in_line AS MATERIALIZED (
    SELECT named.type
    FROM (SELECT DISTINCT type FROM ripe) AS named
    WHERE EXISTS (SELECT FROM lanes WHERE lanes.type = named.type AND lanes.ready)
)
UPDATE lanes
SET ready = true,
    -- Of a type that no servant ever announced, too: else it would be in the way of the others for ever.
    virtual_time = CASE
        WHEN lanes.type IN (SELECT type FROM in_line) THEN greatest(lanes.virtual_time, job_types.virtual_time)
        ELSE least(
            greatest(lanes.virtual_time, job_types.virtual_time), job_types.virtual_time + %(debt_seconds)s
        )
    END
FROM ripe
LEFT JOIN job_types ON job_types.type = ripe.type
WHERE lanes.type = ripe.type AND lanes.lane = ripe.lane
