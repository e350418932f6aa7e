WITH taken AS (
    DELETE FROM lane_wakes
    WHERE id IN (SELECT id FROM lane_wakes ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING type, lane, due_at, charge, run_seconds, jobs, pending
)
SELECT type, lane, min(due_at), sum(charge)::float8, sum(run_seconds)::float8, sum(jobs)::int,
    sum(pending)::int
FROM taken
GROUP BY type, lane
ORDER BY type, lane
