SELECT 'breaker', count(*) FROM breakers WHERE state <> 'closed'
UNION ALL
SELECT 'incident', count(*) FROM incidents WHERE resolved_at IS NULL
