WITH taken AS (
    DELETE FROM lane_wakes
    WHERE id IN (SELECT id FROM lane_wakes ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING type, lane, due_at
)
INSERT INTO lanes (type, lane, due_at)
SELECT type, lane, greatest(min(due_at), now()) FROM taken GROUP BY type, lane ORDER BY type, lane
ON CONFLICT (type, lane) DO UPDATE
SET due_at = least(lanes.due_at, excluded.due_at), "full" = false
