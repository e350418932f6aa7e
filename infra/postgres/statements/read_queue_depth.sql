SELECT
    (SELECT count(*) FROM messages WHERE type = queues.type AND (hidden_until IS NULL OR hidden_until <= now())),
    (SELECT count(*) FROM messages WHERE type = queues.type AND hidden_until > now()),
    (SELECT count(*) FROM dead_messages WHERE type = queues.type)
FROM queues
WHERE type = %(type)s
