SELECT external_id, version, content_hash
FROM records
WHERE connection_id = %(connection_id)s AND kind = %(kind)s AND external_id > %(after)s
    AND (%(before)s::text IS NULL OR external_id < %(before)s) AND deleted_at IS NULL
ORDER BY external_id
LIMIT %(limit)s
