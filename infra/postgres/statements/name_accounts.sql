SELECT name FROM accounts WHERE id = ANY(%(ids)s) ORDER BY id
