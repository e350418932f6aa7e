WITH orphan AS (
    SELECT job_groups.id, job_groups.parent_job_id
    FROM job_groups
    WHERE job_groups.sealed_at IS NULL
        AND job_groups.cancel_requested_at IS NULL
        AND job_groups.parent_job_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM jobs WHERE jobs.id = job_groups.parent_job_id)
    ORDER BY job_groups.id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), parent AS (
    SELECT orphan.id, past.state
    FROM orphan
    LEFT JOIN LATERAL (
        SELECT job_history.state FROM job_history WHERE job_history.id = orphan.parent_job_id LIMIT 1
    ) AS past ON true
)
UPDATE job_groups
SET sealed_at = now(),
    cancel_requested_at = CASE WHEN parent.state = 'completed' THEN NULL ELSE now() END,
    cancel_reason = CASE
        WHEN parent.state = 'completed' THEN NULL
        ELSE 'its parent ended before it was sealed: ' || coalesce(parent.state::text, 'no longer known')
    END
FROM parent
WHERE job_groups.id = parent.id
RETURNING job_groups.id, job_groups.cancel_reason
