SELECT position FROM record_feeds WHERE account_id = %(account_id)s
