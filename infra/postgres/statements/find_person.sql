SELECT
    id, name, role, password_hash IS NOT NULL AS has_password, oidc_issuer, created_at, password_set_at, signed_in_at,
    disabled_at
FROM people
WHERE id = %(id)s OR lower(name) = lower(%(name)s)
