WITH taken AS (
    DELETE FROM lane_wakes
    WHERE id IN (SELECT id FROM lane_wakes ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING type, lane, due_at, charge, run_seconds, jobs
), note AS (
    SELECT
        type, lane, CASE WHEN min(due_at) < now() THEN now() ELSE min(due_at) END AS due_at,
        sum(charge)::float8 AS charge, sum(run_seconds)::float8 AS run_seconds, sum(jobs) AS jobs
    FROM taken
    GROUP BY type, lane
)
INSERT INTO lanes (type, lane, due_at, ready, virtual_time, mean_seconds)
SELECT
    note.type, note.lane, note.due_at, note.due_at <= now() AND note.due_at IS NOT NULL,
    coalesce(job_types.virtual_time, 0), note.run_seconds / greatest(note.jobs, 1)
FROM note
LEFT JOIN job_types ON job_types.type = note.type
ORDER BY note.type, note.lane
ON CONFLICT (type, lane) DO UPDATE
SET due_at = least(lanes.due_at, excluded.due_at),
    "full" = lanes."full" AND excluded.due_at IS NULL,
    ready = lanes.ready OR excluded.ready AND coalesce(lanes.held_until <= now(), true),
    virtual_time = (
        SELECT CASE
            -- It joins the line: neither with a claim from when it slept, nor with more than a little of its debt.
            WHEN excluded.ready AND NOT lanes.ready
            THEN least(greatest(lanes.virtual_time, excluded.virtual_time), excluded.virtual_time + %(debt_seconds)s)
            ELSE lanes.virtual_time
        END + note.charge / lanes.weight
        FROM note
        WHERE note.type = lanes.type AND note.lane = lanes.lane
    ),
    mean_seconds = (
        SELECT CASE
            WHEN note.jobs = 0 THEN lanes.mean_seconds
            WHEN lanes.mean_seconds = 0 THEN note.run_seconds / note.jobs
            -- The more jobs the note tells of, the more it counts.
            ELSE lanes.mean_seconds
                + (note.run_seconds / note.jobs - lanes.mean_seconds) * note.jobs / (note.jobs + 20.0)
        END
        FROM note
        WHERE note.type = lanes.type AND note.lane = lanes.lane
    )
