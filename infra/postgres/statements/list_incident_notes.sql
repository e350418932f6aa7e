SELECT id, at, author, text
FROM trouble_notes
WHERE incident_id = %(incident_id)s
ORDER BY id DESC
LIMIT %(limit)s
