-- What Salesforce tells of the contacts that have the person's address.
WITH known AS MATERIALIZED (
    SELECT connection_id, external_id
    FROM crm_people
    WHERE account_id = %(account_id)s AND person_id = %(person_id)s
    ORDER BY connection_id, external_id
    LIMIT %(alike)s
)
SELECT activity.connection_id, activity.external_id, activity.kind, activity.happens_on, activity.subject,
    activity.status
FROM known
CROSS JOIN LATERAL (
    SELECT
        record.connection_id, record.external_id, record.kind, record.happens_on,
        record.payload ->> 'Subject' AS subject, record.payload ->> 'Status' AS status
    FROM records AS record
    WHERE record.connection_id = known.connection_id AND record.who_id = known.external_id
        AND record.account_id = %(account_id)s AND record.deleted_at IS NULL
        AND (record.happens_on, record.connection_id, record.external_id)
            < (%(at)s, %(connection_id)s, %(external_id)s)
    ORDER BY record.happens_on DESC, record.connection_id DESC, record.external_id DESC
    LIMIT %(limit)s
) AS activity
ORDER BY activity.happens_on DESC, activity.connection_id DESC, activity.external_id DESC
LIMIT %(limit)s
