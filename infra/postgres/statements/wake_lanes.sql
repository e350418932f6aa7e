WITH note AS (
    SELECT row.type, row.lane, CASE WHEN row.due_at < now() THEN now() ELSE row.due_at END AS due_at, row.pending
    FROM unnest(%(types)s::text[], %(lanes)s::text[], %(due_ats)s::timestamptz[], %(pendings)s::int[])
        AS row (type, lane, due_at, pending)
), in_line AS MATERIALIZED (
    SELECT named.type
    FROM (SELECT DISTINCT type FROM note) AS named
    WHERE EXISTS (SELECT FROM lanes WHERE lanes.type = named.type AND lanes.ready)
)
INSERT INTO lanes (type, lane, due_at, ready, pending, virtual_time)
SELECT
    note.type, note.lane, note.due_at, note.due_at <= now() AND note.due_at IS NOT NULL,
    note.pending, coalesce(job_types.virtual_time, 0)
FROM note
LEFT JOIN job_types ON job_types.type = note.type
-- In the order in which everybody locks lanes.
ORDER BY note.type, note.lane
ON CONFLICT (type, lane) DO UPDATE
SET due_at = least(lanes.due_at, excluded.due_at),
    pending = lanes.pending + excluded.pending,
    "full" = lanes."full" AND excluded.due_at IS NULL,
    ready = lanes.ready OR excluded.ready AND coalesce(lanes.held_until <= now(), true),
    virtual_time = CASE
        WHEN NOT excluded.ready OR lanes.ready THEN lanes.virtual_time
        -- It joins the line: without a claim from when it slept, and where nobody waits with little of its debt.
        WHEN lanes.type IN (SELECT type FROM in_line) THEN greatest(lanes.virtual_time, excluded.virtual_time)
        ELSE least(greatest(lanes.virtual_time, excluded.virtual_time), excluded.virtual_time + %(debt_seconds)s)
    END
