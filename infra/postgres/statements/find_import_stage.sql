SELECT CASE
    WHEN recent_at IS NULL THEN 'recent'
    WHEN EXISTS (
        SELECT FROM job_groups WHERE job_groups.id = imports.group_id AND job_groups.finished_at IS NULL
    ) THEN 'history'
    ELSE 'over'
END
FROM imports
WHERE connection_id = %(connection_id)s AND kind = %(kind)s
