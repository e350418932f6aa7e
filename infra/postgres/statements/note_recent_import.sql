UPDATE imports
SET recent_at = coalesce(recent_at, now()), group_id = coalesce(group_id, %(group_id)s)
WHERE connection_id = %(connection_id)s AND kind = %(kind)s
