UPDATE salesforce_objects SET state = %(state)s, problem = %(problem)s
WHERE connection_id = %(connection_id)s AND name = %(name)s
