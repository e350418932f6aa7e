SELECT id, address, name, sort_name, messages, events, first_seen_at, last_seen_at
FROM contacts
WHERE account_id = %(account_id)s AND id = %(id)s
