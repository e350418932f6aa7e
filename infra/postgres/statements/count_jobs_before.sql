SELECT count(*)::int
FROM (
    SELECT 1
    FROM generate_series(0, %(priority)s::int) AS level (priority)
    CROSS JOIN LATERAL (
        SELECT 1
        FROM jobs
        WHERE jobs.type = %(type)s
            AND jobs.lane = %(lane)s
            AND jobs.priority = level.priority
            AND jobs.state = 'pending'
            AND jobs.run_at <= %(now)s
            AND (level.priority < %(priority)s OR (jobs.run_at, jobs.id) < (%(run_at)s, %(id)s))
        LIMIT %(cap)s
    ) AS ahead
    LIMIT %(cap)s
) AS counted
