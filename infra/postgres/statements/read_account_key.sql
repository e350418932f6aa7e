SELECT wrapped FROM account_keys WHERE account_id = %(account_id)s
