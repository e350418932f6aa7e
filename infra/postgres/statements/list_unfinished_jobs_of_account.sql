-- By the primary key, so that a long backlog is passed through once.
SELECT id FROM jobs WHERE id > %(after)s AND account_id = %(account_id)s ORDER BY id LIMIT %(limit)s
