SELECT feed.position AS last, change.*
FROM record_feeds AS feed
LEFT JOIN LATERAL (
    SELECT noted.position, noted.at, noted.connection_id, noted.kind, noted.external_id, noted.change, noted.version,
        noted.before, record.payload
    FROM (
        SELECT *
        FROM record_changes
        WHERE account_id = %(account_id)s AND position > %(after)s
        ORDER BY position
        LIMIT %(limit)s
    ) AS noted
    -- Kept whole by OFFSET 0, so that each record is looked up by its key.
    LEFT JOIN LATERAL (
        SELECT held.payload
        FROM records AS held
        WHERE held.connection_id = noted.connection_id AND held.kind = noted.kind
            AND held.external_id = noted.external_id AND held.deleted_at IS NULL
        OFFSET 0
    ) AS record ON true
) AS change ON true
WHERE feed.account_id = %(account_id)s
ORDER BY change.position
