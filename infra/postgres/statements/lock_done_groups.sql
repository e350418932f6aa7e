SELECT id
FROM job_groups
WHERE finished_at IS NULL
    AND completed + failed + cancelled = total
    AND (sealed_at IS NOT NULL OR cancel_requested_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM group_notes WHERE group_notes.group_id = job_groups.id)
    AND NOT EXISTS (
        SELECT FROM job_groups AS inside WHERE inside.parent_group_id = job_groups.id AND inside.finished_at IS NULL
    )
ORDER BY id
LIMIT %(limit)s
-- Whoever is adding to it has it locked.
FOR UPDATE SKIP LOCKED
