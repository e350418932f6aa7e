UPDATE people SET password_hash = %(fresh)s WHERE id = %(id)s AND password_hash = %(outdated)s
