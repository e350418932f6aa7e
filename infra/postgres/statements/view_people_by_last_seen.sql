SELECT id, address, name, sort_name, messages, events, first_seen_at, last_seen_at
FROM contacts
WHERE account_id = %(account_id)s AND (last_seen_at, id) < (%(at)s, %(id)s)
ORDER BY last_seen_at DESC, id DESC
LIMIT %(limit)s
