SELECT 1 FROM imports WHERE connection_id = %(connection_id)s AND kind = %(kind)s AND finished_at IS NOT NULL
