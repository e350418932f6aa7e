SELECT type, lane, paused_reason, count(*) OVER ()::int AS lanes
FROM lanes
WHERE paused_at IS NOT NULL
ORDER BY paused_at DESC
LIMIT %(limit)s
