WITH made AS (
    INSERT INTO jobs (
        type, account_id, lane, priority, run_at, payload, request_id, retry_of, ordered, group_id, unique_key,
        unique_waiting
    )
    VALUES (
        %(type)s, %(account_id)s, %(lane)s, %(priority)s, coalesce(%(run_at)s, now()), %(payload)s,
        %(request_id)s, %(retry_of)s, %(ordered)s, %(group_id)s, %(unique_key)s, %(unique_waiting)s
    )
    ON CONFLICT (type, unique_key) WHERE unique_key IS NOT NULL DO NOTHING
    RETURNING id, type, lane, run_at
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at, pending)
    SELECT type, lane, run_at, 1 FROM made
)
SELECT id FROM made
