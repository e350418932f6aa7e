SELECT DISTINCT scope, type, lane
FROM lane_holds
WHERE kind = 'order' AND scope = ANY(%(scopes)s::text[])
ORDER BY type, lane
