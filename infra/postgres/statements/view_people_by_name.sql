SELECT id, address, name, sort_name, messages, events, first_seen_at, last_seen_at
FROM contacts
WHERE account_id = %(account_id)s AND (sort_name, id) > (%(at)s, %(id)s)
ORDER BY sort_name, id
LIMIT %(limit)s
