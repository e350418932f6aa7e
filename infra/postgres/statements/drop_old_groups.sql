DELETE FROM job_groups
WHERE id IN (
    SELECT old.id
    FROM job_groups AS old
    WHERE old.finished_at < now() - make_interval(days => %(history_days)s)
        -- One that is unfinished still adds up what is inside it.
        AND NOT EXISTS (
            SELECT FROM job_groups AS around WHERE around.id = old.parent_group_id AND around.finished_at IS NULL
        )
    ORDER BY old.finished_at
    LIMIT %(limit)s
    FOR UPDATE OF old SKIP LOCKED
)
