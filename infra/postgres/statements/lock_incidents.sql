SELECT id
FROM incidents
WHERE connection_id = %(connection_id)s AND resolved_at IS NULL
ORDER BY id
FOR UPDATE
