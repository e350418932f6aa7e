SELECT job_types.type, ready.lanes, held.lanes, full_lanes.lanes
FROM job_types
-- Each along an index, and no further than asked.
CROSS JOIN LATERAL (
    SELECT count(*) AS lanes FROM (
        SELECT FROM lanes WHERE lanes.type = job_types.type AND lanes.ready LIMIT %(count_limit)s
    ) AS counted
) AS ready
CROSS JOIN LATERAL (
    SELECT count(*) AS lanes FROM (
        SELECT DISTINCT lane_holds.lane
        FROM lane_holds
        WHERE lane_holds.type = job_types.type AND coalesce(lane_holds.until > now(), true)
        LIMIT %(count_limit)s
    ) AS counted
) AS held
CROSS JOIN LATERAL (
    -- A lane at its limit has work in flight, of which there is little.
    SELECT count(*) AS lanes FROM (
        SELECT DISTINCT jobs.lane
        FROM jobs
        WHERE jobs.type = job_types.type AND jobs.state IN ('queued', 'running')
    ) AS busy
    JOIN lanes ON lanes.type = job_types.type AND lanes.lane = busy.lane AND lanes."full"
) AS full_lanes
ORDER BY job_types.type
