UPDATE people SET disabled_at = NULL WHERE id = %(id)s AND disabled_at IS NOT NULL
