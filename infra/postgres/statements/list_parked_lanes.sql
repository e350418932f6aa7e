SELECT type, lane, reason, count(*) OVER ()::int AS lanes
FROM lane_holds
WHERE kind IN ('pause', 'incident', 'order') AND (until IS NULL OR until > now())
ORDER BY held_at DESC
LIMIT %(limit)s
