SELECT
    servants.id, servants.type, servants.host, servants.pid, servants.process, servants.version, servants.state,
    servants.slots, servants.busy, servants.rate, servants.memory_bytes, servants.current_jobs, servants.started_at,
    servants.heartbeat_at, servants.received_at, servants.request, servants.requested_at, servants.metrics_port,
    extract(epoch FROM now() - servants.heartbeat_at)::float8 AS heartbeat_seconds,
    extract(epoch FROM now() - servants.received_at)::float8 AS receive_seconds,
    (
        SELECT coalesce(jsonb_object_agg(accounts.id, accounts.name), '{}')
        FROM accounts
        WHERE accounts.id IN (
            SELECT (job ->> 'account')::bigint FROM jsonb_array_elements(servants.current_jobs) AS listed (job)
        )
    ) AS account_names,
    (
        SELECT count(*)::int
        FROM (
            SELECT
            FROM process_exits
            WHERE process_exits.host = servants.host
                AND process_exits.process = servants.process
                AND process_exits.at > now() - interval '1 day'
            LIMIT %(exit_limit)s
        ) AS counted
    ) AS exits,
    last.kind AS exit_kind, last.exit_status, last.signal AS exit_signal, last.at AS exit_at
FROM servants
LEFT JOIN LATERAL (
    SELECT process_exits.kind, process_exits.exit_status, process_exits.signal, process_exits.at
    FROM process_exits
    WHERE process_exits.host = servants.host AND process_exits.process = servants.process
    ORDER BY process_exits.at DESC
    LIMIT 1
) AS last ON true
WHERE (%(type)s::text IS NULL OR servants.type = %(type)s)
    AND (%(servant_id)s::bigint IS NULL OR servants.id = %(servant_id)s)
    AND (
        %(ended)s
        OR servants.state IN ('active', 'draining')
        OR servants.state = 'lost'
            AND servants.heartbeat_at > now() - make_interval(secs => %(lost_shown_seconds)s)
            -- Another stands in its place.
            AND NOT EXISTS (
                SELECT
                FROM servants AS newer
                WHERE newer.host = servants.host AND newer.process = servants.process AND newer.id > servants.id
            )
    )
ORDER BY servants.type, servants.state IN ('stopped', 'lost'), servants.id
LIMIT %(limit)s
