SELECT lanes.type, lanes.lane
FROM lanes
WHERE (lanes.type, lanes.lane) IN (
    SELECT lane_holds.type, lane_holds.lane
    FROM lane_holds
    WHERE lane_holds.kind = ANY(%(kinds)s::text[])
        AND (%(scope)s::text IS NULL OR lane_holds.scope = %(scope)s)
        AND (%(lane)s::text IS NULL OR lane_holds.lane = %(lane)s)
        AND (%(type)s::text IS NULL OR lane_holds.type = %(type)s)
)
-- In the order in which everybody locks lanes.
ORDER BY lanes.type, lanes.lane
FOR UPDATE
