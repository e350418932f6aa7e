INSERT INTO people (name, role, oidc_issuer, oidc_subject)
VALUES (%(name)s, %(role)s, %(issuer)s, %(subject)s)
ON CONFLICT (oidc_issuer, oidc_subject) DO NOTHING
RETURNING
    id, name, role, password_hash IS NOT NULL AS has_password, oidc_issuer, created_at, password_set_at, signed_in_at,
    disabled_at
