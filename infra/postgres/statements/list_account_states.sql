WITH page AS MATERIALIZED (
    SELECT accounts.id, accounts.name, accounts.created_at
    FROM accounts
    WHERE (%(id)s::bigint IS NULL OR accounts.id = %(id)s)
        AND (%(after)s::text IS NULL OR accounts.name > %(after)s)
        AND (%(named)s::text IS NULL OR strpos(lower(accounts.name), lower(%(named)s)) > 0)
        AND (
            NOT %(troubled)s
            OR accounts.id IN (
                SELECT connections.account_id FROM connections WHERE connections.state = 'broken'
                UNION ALL
                SELECT connections.account_id
                FROM breakers
                JOIN connections ON breakers.scope = 'connection:' || connections.id
                WHERE breakers.state <> 'closed'
            )
        )
    ORDER BY accounts.name
    LIMIT %(limit)s
)
SELECT
    page.id, page.name, page.created_at, own.connections, own.broken, own.open_breakers, own.providers, own.sources,
    own.unread, own.stalest_at, own.held, own.importing, own.budget_share
FROM page
CROSS JOIN LATERAL (
    SELECT
        count(*)::int AS connections,
        (count(*) FILTER (WHERE connections.state = 'broken'))::int AS broken,
        (count(*) FILTER (WHERE breaker.open))::int AS open_breakers,
        coalesce(array_agg(DISTINCT connections.provider), '{}') AS providers,
        coalesce(sum(source.sources), 0)::int AS sources,
        coalesce(sum(source.unread), 0)::int AS unread,
        min(source.stalest_at) AS stalest_at,
        coalesce(sum(source.held), 0)::bigint AS held,
        (count(*) FILTER (WHERE reading.unfinished))::int AS importing,
        max(budget.share) AS budget_share
    FROM connections
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM breakers
            WHERE breakers.scope = 'connection:' || connections.id AND breakers.state <> 'closed'
        ) AS open
    ) AS breaker
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM imports WHERE imports.connection_id = connections.id AND imports.finished_at IS NULL
        ) AS unfinished
    ) AS reading
    CROSS JOIN LATERAL (
        SELECT
            count(*) AS sources, count(*) FILTER (WHERE one.synced_at IS NULL) AS unread,
            min(one.synced_at) AS stalest_at, sum(one.held) AS held
        FROM (
            SELECT messages::bigint AS held, synced_at
            FROM mailboxes
            WHERE mailboxes.connection_id = connections.id AND deleted_at IS NULL AND selectable
            UNION ALL
            SELECT objects, synced_at
            FROM calendars
            WHERE calendars.connection_id = connections.id AND deleted_at IS NULL
            UNION ALL
            SELECT counts.live, object.synced_at
            FROM salesforce_objects AS object
            LEFT JOIN record_counts AS counts
                ON counts.connection_id = object.connection_id AND counts.kind = object.name
            WHERE object.connection_id = connections.id AND object.selected AND object.state <> 'gone'
        ) AS one
    ) AS source
    LEFT JOIN LATERAL (
        SELECT max(
            (
                (
                    SELECT coalesce(sum(calls), 0)
                    FROM budget_usage
                    WHERE budget_usage.connection_id = budgets.connection_id
                        AND budget_usage.window_seconds = budgets.window_seconds
                        AND bucket_at > now() - make_interval(secs => budgets.window_seconds * (1 + 1.0 / %(buckets)s))
                ) + CASE WHEN budgets.foreign_until > now() THEN budgets.foreign_calls ELSE 0 END
            )::float8 / greatest(least(budgets.call_limit, budgets.learned_limit), 1)
        ) AS share
        FROM budgets
        WHERE budgets.connection_id = connections.id AND budgets.window_seconds > 0
    ) AS budget ON true
    WHERE connections.account_id = page.id
) AS own
ORDER BY page.name
