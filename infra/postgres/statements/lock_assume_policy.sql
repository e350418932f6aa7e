SELECT FROM accounts WHERE id = %(id)s FOR SHARE
