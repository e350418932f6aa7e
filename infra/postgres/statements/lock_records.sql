SELECT lock_records_of_account(%(account_id)s)
