SELECT
    connections.id, connections.provider, connections.name, connections.state, connections.problem,
    connections.created_at, source.sources, source.unread, source.held, source.synced_at, source.stalest_at,
    now() AS now
FROM connections
CROSS JOIN LATERAL (
    SELECT
        count(*)::int AS sources, (count(*) FILTER (WHERE one.synced_at IS NULL))::int AS unread,
        coalesce(sum(one.held), 0)::bigint AS held, max(one.synced_at) AS synced_at, min(one.synced_at) AS stalest_at
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
WHERE connections.account_id = %(account_id)s AND connections.id > %(after)s
    AND (%(id)s::bigint IS NULL OR connections.id = %(id)s)
ORDER BY connections.id
LIMIT %(limit)s
