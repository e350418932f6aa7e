SELECT id, name
FROM accounts
WHERE name ILIKE %(pattern)s
ORDER BY name NOT ILIKE %(start)s, name
LIMIT %(limit)s
