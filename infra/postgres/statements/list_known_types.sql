WITH RECURSIVE waiting (type) AS (
    -- From type to type along the index, so that a million jobs of one are one step.
    (SELECT jobs.type FROM jobs WHERE jobs.state = 'pending' ORDER BY jobs.type LIMIT 1)
    UNION ALL
    SELECT (
        SELECT jobs.type FROM jobs WHERE jobs.state = 'pending' AND jobs.type > waiting.type ORDER BY jobs.type LIMIT 1
    )
    FROM waiting
    WHERE waiting.type IS NOT NULL
), under_way (type) AS (
    (SELECT jobs.type FROM jobs WHERE jobs.state IN ('queued', 'running') ORDER BY jobs.type LIMIT 1)
    UNION ALL
    SELECT (
        SELECT jobs.type FROM jobs WHERE jobs.state IN ('queued', 'running') AND jobs.type > under_way.type
        ORDER BY jobs.type LIMIT 1
    )
    FROM under_way
    WHERE under_way.type IS NOT NULL
), past (type) AS (
    -- Of a type that no servant ever announced, jobs may have been cancelled.
    (SELECT job_history.type FROM job_history ORDER BY job_history.type LIMIT 1)
    UNION ALL
    SELECT (
        SELECT job_history.type FROM job_history WHERE job_history.type > past.type ORDER BY job_history.type LIMIT 1
    )
    FROM past
    WHERE past.type IS NOT NULL
)
SELECT type FROM job_types
UNION
SELECT type FROM waiting WHERE type IS NOT NULL
UNION
SELECT type FROM under_way WHERE type IS NOT NULL
UNION
SELECT type FROM past WHERE type IS NOT NULL
ORDER BY type
