SELECT
    connection_id, kind, group_id, total, done, started_at, recent_at, finished_at, mark_at AS marked_at,
    mark_done AS marked_done, advanced_at, now() AS now
FROM imports
WHERE connection_id = ANY(%(connection_ids)s::bigint[])
