INSERT INTO queues (type, visibility_seconds, max_receives)
VALUES (%(type)s, %(visibility_seconds)s, %(max_receives)s)
ON CONFLICT (type) DO UPDATE
SET visibility_seconds = excluded.visibility_seconds, max_receives = excluded.max_receives
WHERE (queues.visibility_seconds, queues.max_receives) <> (excluded.visibility_seconds, excluded.max_receives)
-- True when the queue was made, false when it was brought in line; no row when it was as it should be.
RETURNING xmax = 0
