-- Whoever is in trouble is not among those left out.
WITH shown AS (
    SELECT count(*) OVER () AS in_all, servants.*
    FROM servants
    WHERE servants.state IN ('active', 'draining')
        OR servants.state = 'lost'
            AND servants.heartbeat_at > now() - make_interval(secs => %(lost_shown_seconds)s)
            -- Another stands in its place.
            AND NOT EXISTS (
                SELECT
                FROM servants AS newer
                WHERE newer.host = servants.host AND newer.process = servants.process AND newer.id > servants.id
            )
    ORDER BY
        servants.state <> 'lost',
        servants.heartbeat_at > now() - make_interval(secs => %(late_seconds)s),
        servants.type, servants.id
    LIMIT %(limit)s
)

SELECT
    shown.in_all,
    shown.id, shown.type, shown.host, shown.pid, shown.version, shown.state, shown.slots,
    shown.busy, shown.memory_bytes, shown.started_at, shown.heartbeat_at, shown.received_at,
    shown.current_jobs,
    (
        SELECT coalesce(jsonb_object_agg(accounts.id, accounts.name), '{}')
        FROM accounts
        WHERE accounts.id IN (
            SELECT (job ->> 'account')::bigint FROM jsonb_array_elements(shown.current_jobs) AS listed (job)
        )
    ) AS account_names
FROM shown
ORDER BY shown.state = 'lost', shown.type, shown.id
