WITH old AS MATERIALIZED (
    SELECT ctid AS place, account_id
    FROM records
    WHERE deleted_at < now() - make_interval(days => %(days)s)
    ORDER BY deleted_at
    LIMIT %(limit)s
), free AS MATERIALIZED (
    -- A merge may be about to bring one back: whose account is being merged into has its turn another time.
    SELECT account_id
    FROM (SELECT DISTINCT account_id FROM old) AS account
    WHERE try_lock_records_of_account(account_id)
)
DELETE FROM records AS record
USING old JOIN free USING (account_id)
WHERE record.ctid = old.place AND record.deleted_at < now() - make_interval(days => %(days)s)
