SELECT credentials FROM connections WHERE id = %(id)s FOR NO KEY UPDATE
