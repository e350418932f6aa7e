SELECT 1 FROM incidents WHERE id = %(id)s FOR UPDATE
