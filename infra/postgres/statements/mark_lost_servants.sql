UPDATE servants
SET state = 'lost', busy = 0, current_jobs = '[]'
WHERE state IN ('active', 'draining') AND heartbeat_at < now() - make_interval(secs => %(lost_seconds)s)
RETURNING id, type, host, pid
