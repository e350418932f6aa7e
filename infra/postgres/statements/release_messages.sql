WITH released AS (
    UPDATE messages
    SET hidden_until = NULL
    FROM unnest(%(ids)s::bigint[], %(receives)s::int[]) AS receipt (id, receives)
    WHERE messages.type = %(type)s
        AND messages.id = ANY(%(ids)s::bigint[])
        AND messages.id = receipt.id
        AND messages.receives = receipt.receives
    RETURNING messages.id
)
SELECT id, pg_notify(%(channel)s, '') FROM released
