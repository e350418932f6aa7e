UPDATE anomalies SET assigned_to = %(assigned_to)s WHERE id = %(id)s RETURNING id
