WITH beat AS (
    UPDATE servants
    SET heartbeat_at = now(),
        state = %(state)s,
        busy = %(busy)s,
        rate = %(rate)s,
        memory_bytes = %(memory_bytes)s,
        current_jobs = %(current_jobs)s,
        received_at = now() - make_interval(secs => %(since_receive_seconds)s)
    WHERE id = %(servant_id)s
    RETURNING type, request
), used AS (
    -- Tells dispatch what the lanes have used of this servant's time.
    INSERT INTO lane_wakes (type, lane, charge, run_seconds, jobs)
    SELECT beat.type, row.lane, row.charge, row.run_seconds, row.jobs
    FROM beat
    CROSS JOIN unnest(%(lanes)s::text[], %(charges)s::real[], %(run_seconds)s::real[], %(job_counts)s::int[])
        AS row (lane, charge, run_seconds, jobs)
), held AS (
    SELECT jobs.id, row.done, row.total
    FROM unnest(%(ids)s::bigint[], %(attempts)s::int[], %(dones)s::bigint[], %(totals)s::bigint[])
        AS row (id, attempt, done, total)
    JOIN jobs ON jobs.id = row.id AND jobs.attempt = row.attempt AND jobs.state = 'running'
    ORDER BY jobs.id
    FOR NO KEY UPDATE OF jobs
), renewed AS (
    UPDATE jobs
    SET lease_until = now() + make_interval(secs => %(lease_seconds)s),
        progress_done = held.done,
        progress_total = held.total
    FROM held
    WHERE jobs.id = held.id
    RETURNING jobs.id, jobs.attempt, jobs.cancel_requested_at IS NOT NULL AS cancelled
)
SELECT id, attempt, cancelled, NULL AS request FROM renewed
UNION ALL
SELECT NULL, NULL, NULL, request FROM beat WHERE request IS NOT NULL
