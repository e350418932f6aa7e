UPDATE salesforce_objects SET reconciled_at = now(), reconciled = %(report)s
WHERE connection_id = %(connection_id)s AND name = %(name)s
