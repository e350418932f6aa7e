WITH woken AS (
    INSERT INTO lane_wakes (type, lane, due_at)
    SELECT lanes.type, lanes.lane, now()
    FROM job_types
    JOIN lanes ON lanes.type = job_types.type
    WHERE job_types.type = %(type)s
        AND (job_types.lane_limit, job_types.order_policy IS NULL)
            IS DISTINCT FROM (%(lane_limit)s::int, %(order_policy)s::text IS NULL)
        AND lanes.due_at IS NOT NULL
), unordered AS (
    SELECT jobs.id
    FROM job_types
    JOIN jobs ON jobs.type = job_types.type
    WHERE job_types.type = %(type)s
        AND job_types.order_policy IS NULL
        AND %(order_policy)s::text IS NOT NULL
        AND jobs.state = 'pending'
        AND NOT jobs.ordered
    ORDER BY jobs.id
    FOR UPDATE OF jobs
), ordered AS (
    -- A type that comes to run in strict order takes the jobs along that already wait.
    UPDATE jobs SET ordered = true FROM unordered WHERE jobs.id = unordered.id RETURNING jobs.id
)
INSERT INTO job_types (
    type, slots, timeout_seconds, lane_limit, type_limit, declared_lane_limit, declared_type_limit, order_policy
)
SELECT
    %(type)s, %(slots)s, %(timeout_seconds)s, %(lane_limit)s, %(type_limit)s, %(lane_limit)s, %(type_limit)s,
    %(order_policy)s
-- The jobs before the type's row: a pass locks them in this order.
WHERE (SELECT count(*) FROM ordered) >= 0
ON CONFLICT (type) DO UPDATE
SET slots = excluded.slots,
    timeout_seconds = excluded.timeout_seconds,
    lane_limit = CASE WHEN job_types.limits_by_hand THEN job_types.lane_limit ELSE excluded.lane_limit END,
    type_limit = CASE WHEN job_types.limits_by_hand THEN job_types.type_limit ELSE excluded.type_limit END,
    declared_lane_limit = excluded.declared_lane_limit,
    declared_type_limit = excluded.declared_type_limit,
    order_policy = excluded.order_policy,
    updated_at = now()
RETURNING type
