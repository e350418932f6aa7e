SELECT type, lane, kind, scope, until, reason, held_at
FROM lane_holds
WHERE type = %(type)s AND lane = %(lane)s AND (until IS NULL OR until > now())
ORDER BY held_at, kind, scope
