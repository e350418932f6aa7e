WITH running AS (
    SELECT id FROM jobs WHERE id = ANY(%(ids)s) AND state = 'running' ORDER BY id FOR NO KEY UPDATE
)
UPDATE jobs
SET cancel_requested_at = coalesce(cancel_requested_at, now())
FROM running
WHERE jobs.id = running.id
RETURNING jobs.id
