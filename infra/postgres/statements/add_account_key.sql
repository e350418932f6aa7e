-- The lock waits for whoever begins to erase the account: none is made once its key was deleted.
INSERT INTO account_keys (account_id, wrapped)
SELECT id, %(wrapped)s
FROM (SELECT id FROM accounts WHERE id = %(account_id)s AND erasing_at IS NULL FOR SHARE) AS account
ON CONFLICT (account_id) DO NOTHING
