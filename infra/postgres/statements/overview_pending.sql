-- Lanes know how many jobs wait in them, but for what the notes on the way to them say: no job is looked at.
SELECT type, greatest(0, sum(pending))::bigint
FROM (
    SELECT lanes.type, lanes.pending FROM lanes WHERE lanes.pending <> 0
    UNION ALL
    SELECT lane_wakes.type, lane_wakes.pending FROM lane_wakes WHERE lane_wakes.pending <> 0
) AS told
GROUP BY type
HAVING sum(pending) > 0
