SELECT progress.rolled_until, progress.checked_until, now(), greatest(
    -- A job has finished at the start of its transaction: who began before a minute's end may still add to it.
    (
        SELECT coalesce(min(xact_start), now())
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    ),
    now() - make_interval(secs => %(patience_seconds)s)
)
FROM rollup_progress AS progress
FOR UPDATE SKIP LOCKED
