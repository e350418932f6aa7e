SELECT erasing_at FROM accounts WHERE id = %(id)s FOR SHARE
