WITH woken AS (
    INSERT INTO lane_wakes (type, lane, due_at)
    SELECT lanes.type, lanes.lane, now()
    FROM job_types
    JOIN lanes ON lanes.type = job_types.type
    WHERE job_types.type = %(type)s
        AND job_types.lane_limit IS DISTINCT FROM %(lane_limit)s::int
        AND lanes.due_at IS NOT NULL
)
INSERT INTO job_types (type, slots, timeout_seconds, lane_limit)
VALUES (%(type)s, %(slots)s, %(timeout_seconds)s, %(lane_limit)s)
ON CONFLICT (type) DO UPDATE
SET slots = excluded.slots,
    timeout_seconds = excluded.timeout_seconds,
    lane_limit = excluded.lane_limit,
    updated_at = now()
RETURNING type
