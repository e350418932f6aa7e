INSERT INTO record_replacements (connection_id, kind, account_id, began_at)
VALUES (%(connection_id)s, %(kind)s, %(account_id)s, %(began_at)s)
RETURNING id, began_at
