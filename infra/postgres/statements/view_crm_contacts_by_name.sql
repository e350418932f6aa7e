WITH page AS MATERIALIZED (
    SELECT
        connection_id, external_id, modified, sort_name, email_key, email, payload ->> 'Name' AS name,
        payload ->> 'Title' AS title, payload ->> 'Phone' AS phone, payload ->> 'AccountId' AS company_id
    FROM records
    WHERE account_id = %(account_id)s AND kind = 'Contact' AND deleted_at IS NULL
        AND (sort_name, connection_id, external_id) > (%(at)s, %(connection_id)s, %(external_id)s)
    ORDER BY sort_name, connection_id, external_id
    LIMIT %(limit)s
)
SELECT
    page.connection_id, page.external_id, page.modified, page.sort_name, page.name, page.email, page.title,
    page.phone, company.name AS company, person.id AS person_id
FROM page
LEFT JOIN LATERAL (
    SELECT record.payload ->> 'Name' AS name
    FROM records AS record
    WHERE record.connection_id = page.connection_id AND record.kind = 'Account'
        AND record.external_id = page.company_id AND record.deleted_at IS NULL
        AND record.account_id = %(account_id)s
) AS company ON true
LEFT JOIN LATERAL (
    -- By both: the key is what the index has and what stands where addresses are masked.
    SELECT contacts.id
    FROM contacts
    WHERE contacts.account_id = %(account_id)s AND contacts.address_key = page.email_key
        AND contacts.address = page.email
    ORDER BY contacts.id
    LIMIT 1
) AS person ON true
ORDER BY page.sort_name, page.connection_id, page.external_id
