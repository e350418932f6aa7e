SELECT types.type, count(servants.id)::int AS servants, coalesce(sum(servants.slots), 0)::int AS slots
FROM (SELECT unnest(%(types)s::text[]) COLLATE "C" UNION SELECT type FROM job_types) AS types (type)
LEFT JOIN servants ON servants.type = types.type
    AND servants.state = 'active'
    AND servants.heartbeat_at > now() - make_interval(secs => %(alive_seconds)s)
GROUP BY types.type
ORDER BY types.type
