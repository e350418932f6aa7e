SELECT
    array(SELECT type FROM job_types ORDER BY type),
    (SELECT extract(epoch FROM now() - max(heartbeat_at))::float8 FROM schedulers WHERE stopped_at IS NULL)
