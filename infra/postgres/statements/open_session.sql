INSERT INTO sessions (digest, person_id, expires_at, address, agent)
VALUES (%(digest)s, %(person_id)s, now() + make_interval(secs => %(seconds)s), %(address)s, %(agent)s)
