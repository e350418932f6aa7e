UPDATE lanes
SET virtual_time = lanes.virtual_time + row.charge / lanes.weight,
    mean_seconds = CASE
        WHEN row.jobs = 0 THEN lanes.mean_seconds
        WHEN lanes.mean_seconds = 0 THEN row.run_seconds / row.jobs
        -- The more jobs the notes tell of, the more they count.
        ELSE lanes.mean_seconds + (row.run_seconds / row.jobs - lanes.mean_seconds) * row.jobs / (row.jobs + 20.0)
    END
FROM unnest(
    %(types)s::text[], %(lanes)s::text[], %(charges)s::float8[], %(run_seconds)s::float8[], %(jobs)s::int[]
) AS row (type, lane, charge, run_seconds, jobs)
WHERE lanes.type = row.type AND lanes.lane = row.lane
