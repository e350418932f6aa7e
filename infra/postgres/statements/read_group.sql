WITH RECURSIVE tree AS (
    SELECT id FROM job_groups WHERE id = %(id)s
    UNION ALL
    SELECT inside.id FROM tree JOIN job_groups AS inside ON inside.parent_group_id = tree.id
), counted AS (
    SELECT total, completed, failed, cancelled FROM job_groups WHERE id = ANY(ARRAY(SELECT id FROM tree))
    UNION ALL
    -- What no scheduler has folded yet.
    SELECT total, completed, failed, cancelled FROM group_notes WHERE group_id = ANY(ARRAY(SELECT id FROM tree))
), summed AS (
    SELECT
        sum(total)::bigint AS total, sum(completed)::bigint AS completed, sum(failed)::bigint AS failed,
        sum(cancelled)::bigint AS cancelled
    FROM counted
)
SELECT
    job_groups.id,
    job_groups.name,
    coalesce(
        job_groups.outcome,
        CASE
            WHEN job_groups.cancel_requested_at IS NOT NULL THEN 'cancelling'
            WHEN job_groups.sealed_at IS NULL THEN 'open'
            ELSE 'running'
        END
    ) AS state,
    summed.total, summed.completed, summed.failed, summed.cancelled,
    job_groups.account_id, job_groups.parent_job_id, job_groups.parent_group_id, job_groups.on_failure,
    job_groups.follow_up_job_id, job_groups.follow_up ->> 'type' AS follow_up_type, job_groups.cancel_reason,
    job_groups.created_at, job_groups.finished_at,
    (SELECT count(*) - 1 FROM tree) AS inner_groups
FROM job_groups
CROSS JOIN summed
WHERE job_groups.id = %(id)s
