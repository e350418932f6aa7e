WITH chosen AS (
    SELECT id
    FROM job_groups
    WHERE id = ANY(%(ids)s) AND finished_at IS NULL AND cancel_requested_at IS NULL
    ORDER BY id
    FOR NO KEY UPDATE
)
UPDATE job_groups
SET cancel_requested_at = now(), cancel_reason = %(reason)s
FROM chosen
WHERE job_groups.id = chosen.id
RETURNING job_groups.id
