WITH locked AS (
    SELECT * FROM unnest(%(types)s::text[], %(lanes)s::text[]) AS row (type, lane)
), gone AS (
    DELETE FROM lane_holds
    USING locked
    WHERE lane_holds.type = locked.type
        AND lane_holds.lane = locked.lane
        AND lane_holds.kind = ANY(%(kinds)s::text[])
        AND (%(scope)s::text IS NULL OR lane_holds.scope = %(scope)s)
    RETURNING lane_holds.type, lane_holds.lane
)
UPDATE lanes
SET held_until = (
    SELECT max(coalesce(kept.until, '9000-01-01 00:00:00+00'))
    FROM lane_holds AS kept
    WHERE kept.type = lanes.type
        AND kept.lane = lanes.lane
        AND NOT (kept.kind = ANY(%(kinds)s::text[]) AND (%(scope)s::text IS NULL OR kept.scope = %(scope)s))
)
FROM (SELECT DISTINCT type, lane FROM gone) AS freed
WHERE lanes.type = freed.type AND lanes.lane = freed.lane
RETURNING lanes.type, lanes.lane
