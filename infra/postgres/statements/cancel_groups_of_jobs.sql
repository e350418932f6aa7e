WITH chosen AS (
    SELECT id
    FROM job_groups
    WHERE parent_job_id = ANY(%(ids)s) AND finished_at IS NULL
    ORDER BY id
    FOR NO KEY UPDATE
)
UPDATE job_groups
SET cancel_requested_at = coalesce(cancel_requested_at, now()),
    cancel_reason = coalesce(cancel_reason, 'its parent was cancelled')
FROM chosen
WHERE job_groups.id = chosen.id
RETURNING job_groups.parent_job_id
