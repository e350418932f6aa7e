WITH woken AS (
    -- A limit may have gone up: full lanes are looked at again.
    INSERT INTO lane_wakes (type, lane, due_at)
    SELECT type, lane, now() FROM lanes WHERE type = %(type)s AND "full"
)
UPDATE job_types
SET lane_limit = CASE WHEN %(by_hand)s THEN %(lane_limit)s::int ELSE declared_lane_limit END,
    type_limit = CASE WHEN %(by_hand)s THEN %(type_limit)s::int ELSE declared_type_limit END,
    limits_by_hand = %(by_hand)s
WHERE type = %(type)s
RETURNING type
