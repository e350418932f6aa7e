INSERT INTO imports (connection_id, account_id, kind, total)
VALUES (%(connection_id)s, %(account_id)s, %(kind)s, %(total)s)
ON CONFLICT (connection_id, kind) DO UPDATE SET total = excluded.total
WHERE imports.finished_at IS NULL
