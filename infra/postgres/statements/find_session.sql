WITH seen AS (
    UPDATE sessions SET seen_at = now() WHERE digest = %(digest)s AND seen_at < now() - interval '1 minute'
)
SELECT people.id AS person_id, people.name, people.role
FROM sessions
JOIN people ON people.id = sessions.person_id
WHERE sessions.digest = %(digest)s AND sessions.expires_at > now() AND people.disabled_at IS NULL
