WITH page AS MATERIALIZED (
    SELECT
        own.connection_id, own.external_id, own.modified, own.sort_name, own.email, own.payload ->> 'Name' AS name,
        own.payload ->> 'Title' AS title, own.payload ->> 'Phone' AS phone, own.payload ->> 'AccountId' AS company_id
    FROM crm_people AS known
    JOIN records AS own
        ON own.connection_id = known.connection_id AND own.kind = 'Contact' AND own.external_id = known.external_id
            AND own.account_id = %(account_id)s
    WHERE known.account_id = %(account_id)s AND known.person_id = %(person_id)s
    ORDER BY own.connection_id, own.external_id
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
ORDER BY page.connection_id, page.external_id
