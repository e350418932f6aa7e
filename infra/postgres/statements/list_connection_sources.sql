(
    SELECT
        connection_id, 'folder' AS kind, name, role AS label, 'live' AS state, NULL AS problem,
        messages::bigint AS held, synced_at
    FROM mailboxes
    WHERE connection_id = %(connection_id)s AND deleted_at IS NULL AND selectable
    ORDER BY name
    LIMIT %(limit)s
)
UNION ALL
(
    SELECT connection_id, 'calendar', name, NULL, 'live', NULL, objects, synced_at
    FROM calendars
    WHERE connection_id = %(connection_id)s AND deleted_at IS NULL
    ORDER BY name, id
    LIMIT %(limit)s
)
UNION ALL
(
    SELECT
        object.connection_id, 'object', object.name, object.label, object.state, object.problem,
        coalesce(counts.live, 0), object.synced_at
    FROM salesforce_objects AS object
    LEFT JOIN record_counts AS counts ON counts.connection_id = object.connection_id AND counts.kind = object.name
    WHERE object.connection_id = %(connection_id)s AND object.selected
    ORDER BY object.name
    LIMIT %(limit)s
)
