SELECT
    count(*) OVER () AS in_all,
    servants.id, servants.type, servants.host, servants.pid, servants.version, servants.state, servants.slots,
    servants.busy, servants.memory_bytes, servants.started_at, servants.heartbeat_at, servants.received_at,
    servants.current_jobs,
    (
        SELECT coalesce(jsonb_object_agg(accounts.id, accounts.name), '{}')
        FROM accounts
        WHERE accounts.id IN (
            SELECT (job ->> 'account')::bigint FROM jsonb_array_elements(servants.current_jobs) AS listed (job)
        )
    ) AS account_names
FROM servants
WHERE servants.state IN ('active', 'draining')
    OR servants.state = 'lost' AND servants.heartbeat_at > now() - make_interval(secs => %(lost_shown_seconds)s)
ORDER BY servants.state = 'lost', servants.type, servants.id
LIMIT %(limit)s
