SELECT id, host, pid, version, passes, started_at, heartbeat_at
FROM schedulers
WHERE stopped_at IS NULL AND heartbeat_at > now() - make_interval(secs => %(lost_shown_seconds)s)
ORDER BY id
LIMIT %(limit)s
