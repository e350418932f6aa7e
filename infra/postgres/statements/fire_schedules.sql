WITH fire AS (
    SELECT row.schedule_id, row.fire_at, row.run_at
    FROM unnest(%(schedule_ids)s::bigint[], %(fire_ats)s::timestamptz[], %(run_ats)s::timestamptz[])
        AS row (schedule_id, fire_at, run_at)
), made AS (
    INSERT INTO jobs (type, account_id, lane, priority, run_at, payload, schedule_id, fire_at, ordered, unique_key)
    SELECT
        schedules.type, schedules.account_id, schedules.lane, schedules.priority, fire.run_at, schedules.payload,
        schedules.id, fire.fire_at, coalesce(job_types.order_policy IS NOT NULL, false),
        CASE schedules.overlap WHEN 'skip' THEN 'schedule:' || schedules.id END
    FROM fire
    JOIN schedules ON schedules.id = fire.schedule_id
    LEFT JOIN job_types ON job_types.type = schedules.type
    ORDER BY fire.run_at
    ON CONFLICT DO NOTHING
    RETURNING id, type, lane, run_at
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at, pending)
    SELECT type, lane, min(run_at), count(*) FROM made GROUP BY type, lane
)
SELECT id FROM made
