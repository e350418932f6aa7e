SELECT lanes.type, lanes.lane
FROM job_types
JOIN lanes ON lanes.type = job_types.type
WHERE lanes.lane = %(lane)s
ORDER BY lanes.type
