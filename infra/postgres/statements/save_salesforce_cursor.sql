UPDATE salesforce_objects SET cursor_at = %(at)s, cursor_id = %(external_id)s, synced_at = now()
WHERE connection_id = %(connection_id)s AND name = %(name)s
    AND (cursor_at IS NULL OR (cursor_at, cursor_id) <= (%(at)s, %(external_id)s COLLATE "C"))
