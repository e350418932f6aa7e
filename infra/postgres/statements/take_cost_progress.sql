SELECT
    progress.shared_until,
    -- The figures of jobs are made, and every process has told of its calls.
    progress.shared_until + interval '1 hour' <= least(
        (SELECT rolled_until FROM rollup_progress), now() - make_interval(secs => %(patience_seconds)s)
    )
FROM cost_progress AS progress
FOR UPDATE OF progress SKIP LOCKED
