WITH wanted AS MATERIALIZED (
    SELECT nextval('jobs_id_seq') AS id, row.*
    FROM unnest(
        %(type)s::text[], %(account_id)s::bigint[], %(lane)s::text[], %(priority)s::smallint[],
        %(run_at)s::timestamptz[], %(payload)s::jsonb[], %(request_id)s::text[], %(retry_of)s::bigint[],
        %(ordered)s::bool[], %(group_id)s::bigint[], %(unique_key)s::text[], %(unique_waiting)s::bool[],
        %(period)s::float8[]
    ) WITH ORDINALITY AS row (
        type, account_id, lane, priority, run_at, payload, request_id, retry_of, ordered, group_id, unique_key,
        unique_waiting, period, n
    )
), kept AS (
    INSERT INTO job_keys (type, key, until, job_id)
    SELECT type, unique_key, clock_timestamp() + make_interval(secs => period), id
    FROM wanted
    WHERE period IS NOT NULL
        -- A key that is surely kept is not even locked.
        AND NOT EXISTS (
            SELECT FROM job_keys AS present
            WHERE present.type = wanted.type AND present.key = wanted.unique_key AND present.until > clock_timestamp()
        )
    ORDER BY n
    ON CONFLICT (type, key) DO UPDATE
    SET until = excluded.until, job_id = excluded.job_id
    WHERE job_keys.until <= clock_timestamp()
    RETURNING job_id
), made AS (
    INSERT INTO jobs (
        id, type, account_id, lane, priority, run_at, payload, request_id, retry_of, ordered, group_id, unique_key,
        unique_waiting
    )
    SELECT
        id, type, account_id, lane, priority, coalesce(run_at, now()), payload, request_id, retry_of, ordered, group_id,
        unique_key, unique_waiting
    FROM wanted
    WHERE period IS NULL OR id IN (SELECT job_id FROM kept)
    -- In one order, so that two callers who bring the same keys wait for each other and do not deadlock.
    ORDER BY n
    ON CONFLICT (type, unique_key) WHERE unique_key IS NOT NULL DO NOTHING
    RETURNING id, type, lane, run_at
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at, pending)
    SELECT type, lane, min(run_at), count(*) FROM made GROUP BY type, lane
)
SELECT id, id IN (SELECT id FROM made), id IN (SELECT job_id FROM kept) FROM wanted ORDER BY n
