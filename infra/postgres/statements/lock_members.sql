SELECT FROM members WHERE account_id = %(account_id)s ORDER BY id FOR UPDATE
