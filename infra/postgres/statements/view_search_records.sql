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
    SELECT DISTINCT hits.rank, record.*
    FROM hits
    CROSS JOIN LATERAL (
        SELECT one.connection_id, one.external_id, one.payload ->> 'Name' AS name, one.email, one.modified, one.sort_name
        FROM records AS one
        WHERE one.connection_id = hits.connection_id AND one.kind = %(source)s AND one.external_id = hits.key
            AND one.account_id = %(account_id)s AND one.deleted_at IS NULL
        LIMIT 1
    ) AS record
    WHERE (
        SELECT bool_and(strpos(record.sort_name || coalesce(' ' || record.email, ''), lower(word)) > 0) FROM unnest(%(words)s::text[]) AS word
    )
)
SELECT connection_id, external_id, name, email, modified, (SELECT count(*) FROM hits)::int AS looked_at
FROM found
ORDER BY rank, modified DESC, connection_id DESC, external_id DESC
LIMIT %(limit)s
