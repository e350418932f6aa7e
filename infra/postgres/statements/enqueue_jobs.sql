WITH wanted AS MATERIALIZED (
    SELECT nextval('jobs_id_seq') AS id, row.*
    FROM unnest(
        %(type)s::text[], %(account_id)s::bigint[], %(lane)s::text[], %(priority)s::smallint[],
        %(run_at)s::timestamptz[], %(payload)s::jsonb[], %(request_id)s::text[], %(retry_of)s::bigint[],
        %(ordered)s::bool[], %(group_id)s::bigint[]
    ) AS row (type, account_id, lane, priority, run_at, payload, request_id, retry_of, ordered, group_id)
), made AS (
    INSERT INTO jobs (id, type, account_id, lane, priority, run_at, payload, request_id, retry_of, ordered, group_id)
    SELECT
        id, type, account_id, lane, priority, coalesce(run_at, now()), payload, request_id, retry_of, ordered, group_id
    FROM wanted
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at, pending)
    SELECT type, lane, min(coalesce(run_at, now())), count(*)
    FROM wanted
    GROUP BY type, lane
)
SELECT id FROM wanted
