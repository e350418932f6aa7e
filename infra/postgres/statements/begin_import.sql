INSERT INTO imports (connection_id, account_id, kind, total, done, mark_done, next_mark_done)
VALUES (%(connection_id)s, %(account_id)s, %(kind)s, %(total)s, %(done)s, %(done)s, %(done)s)
ON CONFLICT (connection_id, kind) DO UPDATE
SET total = excluded.total, done = excluded.done, mark_at = now(), mark_done = excluded.done,
    next_mark_at = now(), next_mark_done = excluded.done
WHERE imports.finished_at IS NULL
