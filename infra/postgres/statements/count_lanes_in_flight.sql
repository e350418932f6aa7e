SELECT row.type, row.lane, (
    SELECT count(*)::int
    FROM jobs
    WHERE jobs.type = row.type AND jobs.lane = row.lane AND jobs.state IN ('queued', 'running')
)
FROM unnest(%(types)s::text[], %(lanes)s::text[]) AS row (type, lane)
