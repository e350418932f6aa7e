SELECT
    accounts.id,
    accounts.name,
    accounts.created_at,
    (SELECT count(*) FROM connections WHERE connections.account_id = accounts.id) AS connections,
    (SELECT count(*) FROM schedules WHERE schedules.account_id = accounts.id) AS schedules
FROM accounts
WHERE accounts.id > %(after)s
ORDER BY accounts.id
LIMIT %(limit)s
