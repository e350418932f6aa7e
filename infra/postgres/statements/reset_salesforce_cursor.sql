UPDATE salesforce_objects SET cursor_at = NULL, cursor_id = NULL, deletes_until = NULL
WHERE connection_id = %(connection_id)s AND name = %(name)s
