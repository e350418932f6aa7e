SELECT id, name, role, password_hash, disabled_at FROM people WHERE id = %(id)s FOR NO KEY UPDATE
