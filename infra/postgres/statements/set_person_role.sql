UPDATE people SET role = %(role)s WHERE id = %(id)s AND role <> %(role)s
