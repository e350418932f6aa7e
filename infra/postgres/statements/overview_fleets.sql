SELECT
    type,
    count(*) FILTER (WHERE state <> 'lost' AND silent <= %(late_seconds)s) AS up,
    count(*) FILTER (WHERE state <> 'lost' AND silent > %(late_seconds)s AND silent <= %(lost_seconds)s) AS late,
    count(*) FILTER (WHERE state = 'lost' OR silent > %(lost_seconds)s) AS gone,
    count(*) FILTER (WHERE state = 'active' AND silent <= %(lost_seconds)s) AS live,
    coalesce(sum(slots) FILTER (WHERE state <> 'lost' AND silent <= %(lost_seconds)s), 0) AS slots,
    coalesce(sum(busy) FILTER (WHERE state <> 'lost' AND silent <= %(lost_seconds)s), 0) AS busy
FROM (
    SELECT type, state, slots, busy, extract(epoch FROM now() - heartbeat_at) AS silent
    FROM servants
    WHERE state IN ('active', 'draining')
        OR state = 'lost'
            AND heartbeat_at > now() - make_interval(secs => %(lost_shown_seconds)s)
            -- Another stands in its place.
            AND NOT EXISTS (
                SELECT
                FROM servants AS newer
                WHERE newer.host = servants.host AND newer.process = servants.process AND newer.id > servants.id
            )
) AS shown
GROUP BY type
ORDER BY type
