INSERT INTO job_types (type, slots, timeout_seconds, lane_limit)
VALUES (%(type)s, %(slots)s, %(timeout_seconds)s, %(lane_limit)s)
ON CONFLICT (type) DO UPDATE
SET slots = excluded.slots,
    timeout_seconds = excluded.timeout_seconds,
    lane_limit = excluded.lane_limit,
    updated_at = now()
RETURNING type
