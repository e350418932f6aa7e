DELETE FROM sessions
WHERE
    person_id = %(person_id)s
    AND (%(id)s::bigint IS NULL OR id = %(id)s)
    AND (%(kept_digest)s::bytea IS NULL OR digest <> %(kept_digest)s)
