UPDATE schedules
SET next_fire_at = row.next_fire_at,
    last_fire_at = coalesce(row.last_fire_at, schedules.last_fire_at),
    state = CASE WHEN row.problem IS NULL THEN schedules.state ELSE 'paused' END,
    problem = row.problem
FROM unnest(
    %(schedule_ids)s::bigint[], %(next_fire_ats)s::timestamptz[], %(last_fire_ats)s::timestamptz[], %(problems)s::text[]
) AS row (schedule_id, next_fire_at, last_fire_at, problem)
WHERE schedules.id = row.schedule_id
