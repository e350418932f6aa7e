WITH page AS MATERIALIZED (
    SELECT
        connection_id, external_id, modified, closes_on, payload ->> 'Name' AS name,
        payload ->> 'StageName' AS stage, payload ->> 'Amount' AS amount,
        payload ->> 'CurrencyIsoCode' AS currency, payload ->> 'AccountId' AS company_id,
        payload ->> 'OwnerId' AS owner_id
    FROM records
    WHERE account_id = %(account_id)s AND kind = 'Opportunity' AND deleted_at IS NULL
        AND (closes_on, connection_id, external_id) < (%(at)s, %(connection_id)s, %(external_id)s)
    ORDER BY closes_on DESC, connection_id DESC, external_id DESC
    LIMIT %(limit)s
)
SELECT
    page.connection_id, page.external_id, page.modified, page.closes_on, page.name, page.stage, page.amount,
    page.currency, company.name AS company, owner.name AS owner
FROM page
LEFT JOIN LATERAL (
    SELECT record.payload ->> 'Name' AS name
    FROM records AS record
    WHERE record.connection_id = page.connection_id AND record.kind = 'Account'
        AND record.external_id = page.company_id AND record.deleted_at IS NULL
        AND record.account_id = %(account_id)s
) AS company ON true
LEFT JOIN LATERAL (
    SELECT record.payload ->> 'Name' AS name
    FROM records AS record
    WHERE record.connection_id = page.connection_id AND record.kind = 'User'
        AND record.external_id = page.owner_id AND record.deleted_at IS NULL
        AND record.account_id = %(account_id)s
) AS owner ON true
ORDER BY page.closes_on DESC, page.connection_id DESC, page.external_id DESC
