WITH first AS MATERIALIZED (
    SELECT id, group_id FROM group_notes ORDER BY id LIMIT %(limit)s
), folding AS MATERIALIZED (
    -- Not those that another scheduler is at, or that somebody is sealing.
    SELECT id
    FROM job_groups
    WHERE id = ANY(ARRAY(SELECT DISTINCT group_id FROM first))
    ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM group_notes
    WHERE id = ANY(ARRAY(SELECT first.id FROM first JOIN folding ON folding.id = first.group_id))
    RETURNING group_id, total, completed, failed, cancelled, cancel_reason
), summed AS (
    SELECT
        group_id, sum(total) AS total, sum(completed) AS completed, sum(failed) AS failed, sum(cancelled) AS cancelled,
        min(cancel_reason) AS cancel_reason, count(*) AS notes
    FROM taken
    GROUP BY group_id
)
UPDATE job_groups
SET total = job_groups.total + summed.total,
    completed = job_groups.completed + summed.completed,
    failed = job_groups.failed + summed.failed,
    cancelled = job_groups.cancelled + summed.cancelled,
    cancel_requested_at = CASE
        WHEN job_groups.cancel_requested_at IS NOT NULL OR job_groups.finished_at IS NOT NULL
            THEN job_groups.cancel_requested_at
        WHEN summed.cancel_reason IS NOT NULL OR job_groups.on_failure = 'cancel' AND summed.failed > 0 THEN now()
    END,
    cancel_reason = CASE
        WHEN job_groups.cancel_requested_at IS NOT NULL OR job_groups.finished_at IS NOT NULL
            THEN job_groups.cancel_reason
        WHEN summed.cancel_reason IS NOT NULL THEN summed.cancel_reason
        WHEN job_groups.on_failure = 'cancel' AND summed.failed > 0 THEN 'a job of it failed'
    END
FROM summed
WHERE job_groups.id = summed.group_id
RETURNING job_groups.id, summed.notes
