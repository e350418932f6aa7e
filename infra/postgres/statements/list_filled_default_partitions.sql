SELECT 'job_history' WHERE EXISTS (SELECT FROM job_history_default)
UNION ALL
SELECT 'job_events' WHERE EXISTS (SELECT FROM job_events_default)
UNION ALL
SELECT 'record_changes' WHERE EXISTS (SELECT FROM record_changes_default)
