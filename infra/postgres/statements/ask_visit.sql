INSERT INTO visits (account_id, person_id, person_name, reason, ticket_url, state)
VALUES (%(account_id)s, %(person_id)s, %(person_name)s, %(reason)s, %(ticket_url)s, 'asked')
RETURNING id
