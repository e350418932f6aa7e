SELECT type, lane
FROM lanes
WHERE lane = %(account_lane)s
    OR lane IN (SELECT 'connection_id:' || id FROM connections WHERE account_id = %(account_id)s)
ORDER BY type, lane
