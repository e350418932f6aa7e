WITH page AS MATERIALIZED (
    SELECT
        connection_id, external_id, modified, sort_name, email, payload ->> 'Name' AS name,
        payload ->> 'Title' AS title, payload ->> 'Phone' AS phone, payload ->> 'AccountId' AS company_id
    FROM records
    WHERE account_id = %(account_id)s AND kind = 'Contact' AND deleted_at IS NULL
        AND (modified, connection_id, external_id) < (%(at)s, %(connection_id)s, %(external_id)s)
    ORDER BY modified DESC, connection_id DESC, external_id DESC
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
    SELECT crm_people.person_id AS id
    FROM crm_people
    WHERE crm_people.account_id = %(account_id)s AND crm_people.connection_id = page.connection_id
        AND crm_people.external_id = page.external_id
    ORDER BY crm_people.person_id
    LIMIT 1
) AS person ON true
ORDER BY page.modified DESC, page.connection_id DESC, page.external_id DESC
