WITH outer_group AS MATERIALIZED (
    SELECT id FROM job_groups WHERE finished_at IS NULL AND cancel_requested_at IS NOT NULL
), inside AS (
    SELECT job_groups.id
    FROM job_groups
    WHERE job_groups.parent_group_id = ANY(ARRAY(SELECT id FROM outer_group))
        AND job_groups.finished_at IS NULL
        AND job_groups.cancel_requested_at IS NULL
    ORDER BY job_groups.id
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE job_groups
SET cancel_requested_at = now(), cancel_reason = 'its parent was cancelled'
FROM inside
WHERE job_groups.id = inside.id
RETURNING job_groups.id
