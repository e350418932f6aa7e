SELECT
    schedules.id, schedules.type, schedules.name, schedules.account_id, accounts.name AS account_name,
    schedules.cron, schedules.every_seconds, schedules.timezone, schedules.jitter_seconds, schedules.catch_up,
    schedules.overlap, schedules.payload, schedules.lane, schedules.priority, schedules.state, schedules.problem,
    schedules.starts_at, schedules.next_fire_at, schedules.last_fire_at, schedules.created_at
FROM schedules
LEFT JOIN accounts ON accounts.id = schedules.account_id
WHERE schedules.id > %(after)s
    AND (%(schedule_id)s::bigint IS NULL OR schedules.id = %(schedule_id)s)
    AND (%(account_id)s::bigint IS NULL OR schedules.account_id = %(account_id)s)
    AND (%(type)s::text IS NULL OR schedules.type = %(type)s)
ORDER BY schedules.id
LIMIT %(limit)s
