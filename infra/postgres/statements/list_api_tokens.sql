SELECT
    token.id, token.name, token.role, token.account_id, accounts.name AS account_name, token.created_by,
    token.person_id, people.role AS person_role, token.created_at, token.expires_at, token.used_at, token.revoked_at,
    coalesce(token.expires_at <= now(), false) AS is_expired, people.disabled_at IS NOT NULL AS is_disabled
FROM api_tokens AS token
LEFT JOIN accounts ON accounts.id = token.account_id
LEFT JOIN people ON people.id = token.person_id
WHERE (%(id)s::bigint IS NULL OR token.id = %(id)s) AND (%(before)s::bigint IS NULL OR token.id < %(before)s)
ORDER BY token.id DESC
LIMIT %(limit)s
