WITH used AS (
    UPDATE api_tokens
    SET used_at = now()
    WHERE digest = %(digest)s AND revoked_at IS NULL AND (used_at IS NULL OR used_at < now() - interval '1 minute')
)
SELECT token.id AS token_id, token.name, token.role, token.account_id, token.person_id, people.role AS person_role
FROM api_tokens AS token
LEFT JOIN people ON people.id = token.person_id
WHERE
    token.digest = %(digest)s
    AND token.revoked_at IS NULL
    AND (token.expires_at IS NULL OR token.expires_at > now())
    AND people.disabled_at IS NULL
