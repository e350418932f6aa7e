WITH note AS (
    SELECT row.type, row.lane, CASE WHEN row.due_at < now() THEN now() ELSE row.due_at END AS due_at
    FROM unnest(%(types)s::text[], %(lanes)s::text[], %(due_ats)s::timestamptz[]) AS row (type, lane, due_at)
)
INSERT INTO lanes (type, lane, due_at, ready, virtual_time)
SELECT
    note.type, note.lane, note.due_at, note.due_at <= now() AND note.due_at IS NOT NULL,
    coalesce(job_types.virtual_time, 0)
FROM note
LEFT JOIN job_types ON job_types.type = note.type
-- In the order in which everybody locks lanes.
ORDER BY note.type, note.lane
ON CONFLICT (type, lane) DO UPDATE
SET due_at = least(lanes.due_at, excluded.due_at),
    "full" = lanes."full" AND excluded.due_at IS NULL,
    ready = lanes.ready OR excluded.ready AND coalesce(lanes.held_until <= now(), true),
    virtual_time = CASE
        -- It joins the line: neither with a claim from when it slept, nor with more than a little of its debt.
        WHEN excluded.ready AND NOT lanes.ready
        THEN least(greatest(lanes.virtual_time, excluded.virtual_time), excluded.virtual_time + %(debt_seconds)s)
        ELSE lanes.virtual_time
    END
