SELECT connection_id FROM imports WHERE group_id = %(group_id)s
