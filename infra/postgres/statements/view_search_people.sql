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
    SELECT DISTINCT hits.rank, person.*
    FROM hits
    CROSS JOIN LATERAL (
        SELECT one.id, one.address, one.name, one.last_seen_at AS at FROM contacts AS one
        WHERE one.id = hits.key::bigint AND one.account_id = %(account_id)s
        LIMIT 1
    ) AS person
    WHERE (
        SELECT bool_and(strpos(lower(coalesce(person.name, '') || ' ' || person.address), lower(word)) > 0) FROM unnest(%(words)s::text[]) AS word
    )
)
SELECT id, address, name, at, (SELECT count(*) FROM hits)::int AS looked_at
FROM found
ORDER BY rank, at DESC, id DESC
LIMIT %(limit)s
