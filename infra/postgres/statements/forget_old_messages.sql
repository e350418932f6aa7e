WITH old AS (
    DELETE FROM messages
    WHERE type = %(type)s AND sent_at < now() - make_interval(secs => %(seconds)s)
    RETURNING id
), long_dead AS (
    DELETE FROM dead_messages
    WHERE type = %(type)s AND died_at < now() - make_interval(secs => %(dead_seconds)s)
    RETURNING id
)
SELECT (SELECT count(*) FROM old), (SELECT count(*) FROM long_dead)
