INSERT INTO api_tokens (name, digest, role, account_id, created_by, person_id, expires_at)
VALUES (
    %(name)s,
    %(digest)s,
    %(role)s,
    %(account_id)s,
    %(created_by)s,
    %(person_id)s,
    now() + make_interval(secs => %(seconds)s::double precision)
)
RETURNING id
