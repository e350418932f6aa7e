WITH wanted AS (
    SELECT DISTINCT ON (row.type, row.lane, row.kind, row.scope)
        row.type, row.lane, row.kind, row.scope, row.reason,
        -- Within the years that every client can read.
        CASE WHEN row.until IS NOT NULL THEN least(row.until, '9000-01-01 00:00:00+00') END AS until
    FROM unnest(
        %(types)s::text[], %(lanes)s::text[], %(kinds)s::text[], %(scopes)s::text[], %(untils)s::timestamptz[],
        %(reasons)s::text[]
    ) AS row (type, lane, kind, scope, until, reason)
    ORDER BY row.type, row.lane, row.kind, row.scope, row.until DESC NULLS FIRST
), locked AS (
    -- The lane's row before its holds: everybody takes them in this order.
    INSERT INTO lanes (type, lane, held_until)
    SELECT type, lane, max(coalesce(until, '9000-01-01 00:00:00+00'))
    FROM wanted
    GROUP BY type, lane
    ORDER BY type, lane
    ON CONFLICT (type, lane) DO UPDATE
    SET held_until = greatest(lanes.held_until, excluded.held_until), ready = false
    RETURNING type, lane
)
INSERT INTO lane_holds (type, lane, kind, scope, until, reason)
SELECT wanted.type, wanted.lane, wanted.kind, wanted.scope, wanted.until, wanted.reason
FROM locked
JOIN wanted ON wanted.type = locked.type AND wanted.lane = locked.lane
ON CONFLICT (type, lane, kind, scope) DO UPDATE
SET until = CASE
        WHEN lane_holds.until IS NOT NULL AND excluded.until IS NOT NULL
        THEN greatest(lane_holds.until, excluded.until)
    END,
    -- What is over begins anew; of two that overlap the first one's words stay.
    reason = CASE WHEN lane_holds.until <= now() THEN excluded.reason ELSE lane_holds.reason END,
    held_at = CASE WHEN lane_holds.until <= now() THEN now() ELSE lane_holds.held_at END
RETURNING type, lane
