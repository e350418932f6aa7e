SELECT id, credentials FROM connections WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
