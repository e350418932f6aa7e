SELECT
    record.connection_id, record.external_id, record.kind, record.happens_on,
    record.payload ->> 'Subject' AS subject, record.payload ->> 'Status' AS status
FROM records AS record
WHERE record.connection_id = %(on)s AND record.what_id = %(what_id)s
    AND record.account_id = %(account_id)s AND record.deleted_at IS NULL
    AND (record.happens_on, record.connection_id, record.external_id)
        < (%(at)s, %(connection_id)s, %(external_id)s)
ORDER BY record.happens_on DESC, record.connection_id DESC, record.external_id DESC
LIMIT %(limit)s
