SELECT id, name, role, password_hash, disabled_at
FROM people
WHERE lower(name) = lower(%(name)s) AND oidc_issuer IS NULL
