SELECT object, name, type, details, calculated, position, first_seen_at, stale_at, stale_reason
FROM salesforce_fields
WHERE connection_id = %(connection_id)s AND object = %(object)s AND (stale_at IS NULL OR %(with_stale)s)
ORDER BY position, name
