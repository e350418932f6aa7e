SELECT
    schedules.id, schedules.type, schedules.name, schedules.account_id, accounts.name AS account_name,
    schedules.cron, schedules.every_seconds, schedules.timezone, schedules.jitter_seconds, schedules.catch_up,
    schedules.overlap, schedules.payload, schedules.lane, schedules.priority, schedules.state, schedules.problem,
    schedules.starts_at, schedules.next_fire_at, schedules.last_fire_at, schedules.created_at,
    CASE
        WHEN schedules.state = 'active' AND schedules.next_fire_at < now()
        THEN extract(epoch FROM now() - schedules.next_fire_at)::float8
    END AS late_seconds
FROM schedules
LEFT JOIN accounts ON accounts.id = schedules.account_id
WHERE schedules.id > %(after)s
    AND (%(before)s::bigint IS NULL OR schedules.id < %(before)s)
    AND (%(schedule_id)s::bigint IS NULL OR schedules.id = %(schedule_id)s)
    AND (%(account_id)s::bigint IS NULL OR schedules.account_id = %(account_id)s)
    AND (%(type)s::text IS NULL OR schedules.type = %(type)s)
    AND (%(state)s::text IS NULL OR schedules.state = %(state)s)
    AND (%(late_seconds)s::float8 IS NULL OR schedules.state = 'active'
        AND schedules.next_fire_at < now() - make_interval(secs => %(late_seconds)s))
    AND (
        %(words)s::text IS NULL
        OR strpos(lower(schedules.name), lower(%(words)s)) > 0
        OR strpos(lower(accounts.name), lower(%(words)s)) > 0
    )
ORDER BY CASE WHEN %(before)s::bigint IS NULL THEN schedules.id ELSE -schedules.id END
LIMIT %(limit)s
