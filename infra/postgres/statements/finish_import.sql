UPDATE imports
SET finished_at = now()
WHERE connection_id = %(connection_id)s AND kind = %(kind)s AND recent_at IS NOT NULL AND finished_at IS NULL
