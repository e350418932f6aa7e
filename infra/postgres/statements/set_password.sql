UPDATE people SET password_hash = %(password_hash)s, password_set_at = now() WHERE id = %(id)s AND oidc_issuer IS NULL
