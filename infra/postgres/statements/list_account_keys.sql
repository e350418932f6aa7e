SELECT account_id, wrapped FROM account_keys WHERE account_id > %(after)s ORDER BY account_id LIMIT %(limit)s
