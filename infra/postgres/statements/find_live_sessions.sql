SELECT sessions.digest, people.role
FROM sessions
JOIN people ON people.id = sessions.person_id
WHERE sessions.digest = ANY(%(digests)s) AND sessions.expires_at > now() AND people.disabled_at IS NULL
