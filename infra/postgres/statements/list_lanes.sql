SELECT
    lanes.type, lanes.lane, lanes.weight, lanes.concurrency_limit AS own_limit,
    CASE WHEN job_types.order_policy IS NULL THEN coalesce(lanes.concurrency_limit, job_types.lane_limit) ELSE 1 END
        AS lane_limit,
    CASE
        WHEN holds.reasons IS NOT NULL THEN 'held'
        WHEN lanes."full" THEN 'full'
        WHEN lanes.ready THEN 'ready'
        WHEN lanes.due_at IS NOT NULL THEN 'waiting'
        ELSE 'idle'
    END AS state,
    lanes.due_at,
    greatest(0, lanes.pending) AS pending,
    (
        SELECT count(*)::int
        FROM jobs
        WHERE jobs.type = lanes.type AND jobs.lane = lanes.lane AND jobs.state IN ('queued', 'running')
    ) AS in_flight,
    named.account_id, named.account_name,
    lanes.mean_seconds,
    coalesce(holds.reasons, '[]') AS holds
FROM lanes
LEFT JOIN job_types ON job_types.type = lanes.type
LEFT JOIN LATERAL (
    SELECT jsonb_agg(
        jsonb_build_object(
            'kind', kind, 'scope', scope, 'until', until, 'reason', reason, 'held_at', held_at
        ) ORDER BY held_at
    ) AS reasons
    FROM lane_holds
    WHERE lane_holds.type = lanes.type AND lane_holds.lane = lanes.lane AND (until IS NULL OR until > now())
) AS holds ON true
LEFT JOIN LATERAL (
    SELECT accounts.id AS account_id, accounts.name AS account_name
    FROM accounts
    WHERE accounts.id = CASE
        WHEN lanes.lane ~ '^account:[0-9]{1,18}$' THEN split_part(lanes.lane, ':', 2)::bigint
        WHEN lanes.lane ~ '^connection_id:[0-9]{1,18}$' THEN (
            SELECT connections.account_id FROM connections WHERE connections.id = split_part(lanes.lane, ':', 2)::bigint
        )
    END
) AS named ON true
WHERE (%(type)s::text IS NULL OR lanes.type = %(type)s)
    AND (%(lane)s::text IS NULL OR lanes.lane = %(lane)s)
    AND (NOT %(held)s OR lanes.held_until > now() AND holds.reasons IS NOT NULL)
    AND (NOT %(waiting)s OR lanes.pending > 0)
    AND (lanes.type, lanes.lane) > (%(after_type)s, %(after_lane)s)
ORDER BY lanes.type, lanes.lane
LIMIT %(limit)s
