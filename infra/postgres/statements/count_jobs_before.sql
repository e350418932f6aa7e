SELECT count(*)::int
FROM (
    SELECT 1
    FROM generate_series(0, 9) AS level (priority)
    CROSS JOIN LATERAL (
        SELECT 1
        FROM jobs
        WHERE jobs.type = %(type)s
            AND jobs.lane = %(lane)s
            AND jobs.priority = level.priority
            AND jobs.state = 'pending'
            AND jobs.run_at <= %(now)s
            -- As dispatch has them: waiting makes up for a lower priority.
            AND (jobs.run_at, jobs.id) < (
                %(run_at)s + make_interval(secs => (%(priority)s - level.priority) * %(age_seconds)s::float8), %(id)s
            )
        LIMIT %(cap)s
    ) AS ahead
    LIMIT %(cap)s
) AS counted
