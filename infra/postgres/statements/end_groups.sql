WITH ended AS (
    UPDATE job_groups
    SET finished_at = now(),
        sealed_at = coalesce(sealed_at, now()),
        outcome = CASE
            WHEN failed > 0 OR EXISTS (
                SELECT FROM job_groups AS inside
                WHERE inside.parent_group_id = job_groups.id AND inside.outcome = 'failed'
            ) THEN 'failed'
            WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
            ELSE 'completed'
        END
    WHERE id = ANY(%(ids)s)
        AND finished_at IS NULL
        AND completed + failed + cancelled = total
        -- Looked at again now that the rows are locked: somebody may have added jobs just before.
        AND NOT EXISTS (SELECT FROM group_notes WHERE group_notes.group_id = job_groups.id)
        AND NOT EXISTS (
            SELECT FROM job_groups AS inside WHERE inside.parent_group_id = job_groups.id AND inside.finished_at IS NULL
        )
    RETURNING id, name, parent_group_id, outcome, on_failure, cancel_requested_at, follow_up
), told AS (
    INSERT INTO group_notes (group_id, cancel_reason)
    SELECT
        parent.id,
        CASE WHEN ended.outcome = 'failed' AND parent.on_failure = 'cancel' THEN 'a group inside it failed' END
    FROM ended
    JOIN job_groups AS parent ON parent.id = ended.parent_group_id
)
SELECT
    id, name, outcome, parent_group_id,
    CASE
        WHEN cancel_requested_at IS NULL AND (outcome = 'completed' OR on_failure = 'continue') THEN follow_up
    END
FROM ended
ORDER BY id
