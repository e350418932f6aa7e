SELECT id, at, author, text
FROM trouble_notes
WHERE anomaly_id = %(anomaly_id)s
ORDER BY id DESC
LIMIT %(limit)s
