WITH queue AS (
    SELECT visibility_seconds, max_receives FROM queues WHERE type = %(type)s
), offered AS (
    SELECT id, receives
    FROM messages
    WHERE type = %(type)s AND (hidden_until IS NULL OR hidden_until <= now())
    ORDER BY id
    LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
), spent AS (
    DELETE FROM messages
    WHERE type = %(type)s
        AND id = ANY(ARRAY(SELECT offered.id FROM offered, queue WHERE offered.receives >= queue.max_receives))
    RETURNING type, body
), buried AS (
    INSERT INTO dead_messages (type, body) SELECT type, body FROM spent
), taken AS (
    UPDATE messages
    SET receives = messages.receives + 1,
        hidden_until = now() + make_interval(secs => (SELECT visibility_seconds FROM queue))
    WHERE type = %(type)s
        AND id = ANY(ARRAY(SELECT offered.id FROM offered, queue WHERE offered.receives < queue.max_receives))
    RETURNING id, body, receives
)
-- A row without a message says that the queue is there; no row, that it is not.
SELECT taken.id, taken.body, taken.receives
FROM queue LEFT JOIN taken ON true
ORDER BY taken.id
