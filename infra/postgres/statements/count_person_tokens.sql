SELECT count(*)
FROM api_tokens
WHERE person_id = %(person_id)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
