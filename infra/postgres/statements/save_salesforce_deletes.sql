UPDATE salesforce_objects SET deletes_until = greatest(deletes_until, %(until)s)
WHERE connection_id = %(connection_id)s AND name = %(name)s
