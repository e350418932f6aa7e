UPDATE salesforce_objects SET formulas_at = now() WHERE connection_id = %(connection_id)s AND name = %(name)s
