UPDATE salesforce_objects
SET chosen = %(fields)s::text[], describe_modified = NULL
WHERE connection_id = %(connection_id)s AND name = %(name)s
