UPDATE connections
SET state = 'broken', problem = %(problem)s
WHERE id = %(id)s
RETURNING id
