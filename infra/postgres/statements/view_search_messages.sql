-- The newest of those that have the very word, then some that have a longer one.
WITH hits AS MATERIALIZED (
    (
        SELECT 0 AS rank, at, connection_id, key
        FROM search_words
        WHERE account_id = %(account_id)s AND source = %(source)s AND word = lower(%(lead)s)
        ORDER BY at DESC, connection_id DESC, key DESC
        LIMIT %(window)s
    )
    UNION ALL
    (
        SELECT 1, at, connection_id, key
        FROM search_words
        WHERE account_id = %(account_id)s AND source = %(source)s AND word > lower(%(lead)s)
            AND word < lower(%(lead)s) || chr(1114111)
        ORDER BY word, at, connection_id, key
        LIMIT %(window)s
    )
), found AS MATERIALIZED (
    SELECT DISTINCT hits.rank, message.id, message.subject, message.at
    FROM hits
    CROSS JOIN LATERAL (
        SELECT one.id, one.subject, one.dated_at AS at FROM mail_messages AS one
        WHERE one.id = hits.key::bigint AND one.account_id = %(account_id)s AND one.deleted_at IS NULL
        LIMIT 1
    ) AS message
    WHERE (
        SELECT bool_and(strpos(lower(message.subject), lower(word)) > 0) FROM unnest(%(words)s::text[]) AS word
    )
)
SELECT id, subject, at, (SELECT count(*) FROM hits)::int AS looked_at
FROM found
ORDER BY rank, at DESC, id DESC
LIMIT %(limit)s
