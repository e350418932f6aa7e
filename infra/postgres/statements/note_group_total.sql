INSERT INTO group_notes (group_id, total) VALUES (%(id)s, %(total)s)
