WITH seen AS (
    -- That of no account comes first.
    SELECT * FROM anomaly_accounts WHERE anomaly_id = %(anomaly_id)s AND account_id IS NULL AND %(after)s < 0
    UNION ALL
    (
        SELECT * FROM anomaly_accounts WHERE anomaly_id = %(anomaly_id)s AND account_id > %(after)s
        ORDER BY account_id
        LIMIT %(limit)s
    )
)
SELECT
    seen.account_id, accounts.name AS account_name, seen.first_seen_at, seen.last_seen_at, seen.seen,
    seen.connection_id, seen.job_id, seen.sample
FROM seen
LEFT JOIN accounts ON accounts.id = seen.account_id
ORDER BY seen.account_id NULLS FIRST
LIMIT %(limit)s
