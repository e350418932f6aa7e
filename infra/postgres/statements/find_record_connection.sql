SELECT 1 FROM connections WHERE id = %(connection_id)s AND account_id = %(account_id)s
