SELECT staged.external_id, record.version, record.payload || staged.payload::jsonb
FROM pg_temp.staged_records AS staged
-- Kept whole by OFFSET 0, so that each record is looked up by its key.
CROSS JOIN LATERAL (
    SELECT held.version, held.payload
    FROM records AS held
    WHERE held.connection_id = %(connection_id)s AND held.kind = %(kind)s AND held.external_id = staged.external_id
        AND held.deleted_at IS NULL AND held.observed_at <= %(observed_at)s
    OFFSET 0
) AS record
WHERE record.payload || staged.payload::jsonb <> record.payload
ORDER BY staged.ctid
