SELECT id FROM connections WHERE account_id = %(account_id)s AND provider = %(provider)s AND name = %(name)s
