UPDATE people SET disabled_at = now() WHERE id = %(id)s AND disabled_at IS NULL
