SELECT late.kind, count(*)
FROM (
    SELECT error ->> 'kind' AS kind
    FROM job_history
    WHERE state <> 'completed'
    ORDER BY finished_at DESC
    LIMIT %(window)s
) AS late
WHERE late.kind ILIKE %(pattern)s
GROUP BY late.kind
ORDER BY count(*) DESC, late.kind
LIMIT %(limit)s
