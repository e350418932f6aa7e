SELECT assume_policy FROM accounts WHERE id = %(id)s
