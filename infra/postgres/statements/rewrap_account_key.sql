UPDATE account_keys SET wrapped = %(anew)s WHERE account_id = %(account_id)s AND wrapped = %(wrapped)s
