WITH sent AS (
    INSERT INTO messages (type, body)
    SELECT queues.type, said.body
    FROM queues
    CROSS JOIN unnest(%(bodies)s::text[]) WITH ORDINALITY AS said (body, place)
    WHERE queues.type = %(type)s
    ORDER BY said.place
    RETURNING body
)
SELECT body, pg_notify(%(channel)s, '') FROM sent
