UPDATE visits SET unmasked = unmasked + 1 WHERE id = %(id)s
