INSERT INTO people (name, role, password_hash, password_set_at)
VALUES (
    %(name)s, %(role)s, %(password_hash)s::text, CASE WHEN %(password_hash)s::text IS NOT NULL THEN now() END
)
ON CONFLICT DO NOTHING
RETURNING
    id, name, role, password_hash IS NOT NULL AS has_password, oidc_issuer, created_at, password_set_at, signed_in_at,
    disabled_at
