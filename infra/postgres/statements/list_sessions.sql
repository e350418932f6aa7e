SELECT id, digest = %(digest)s AS is_present, created_at, seen_at, expires_at, address, agent
FROM sessions
WHERE person_id = %(person_id)s AND expires_at > now()
ORDER BY seen_at DESC, id DESC
LIMIT 100
