SELECT format('%%s_%%s', parent.name, to_char(day.at, 'YYYYMMDD'))
FROM (VALUES ('job_history'), ('job_events'), ('record_changes')) AS parent (name)
CROSS JOIN (
    SELECT (now() AT TIME ZONE 'UTC')::date + ahead AS at FROM generate_series(0, %(days_ahead)s::int) AS ahead
) AS day
WHERE to_regclass(format('%%s_%%s', parent.name, to_char(day.at, 'YYYYMMDD'))) IS NULL
ORDER BY 1
