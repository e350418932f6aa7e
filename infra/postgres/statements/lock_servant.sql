SELECT process, state, request FROM servants WHERE id = %(id)s FOR UPDATE
