SELECT 'scheduler', id, NULL::text, host, metrics_port
FROM schedulers
WHERE stopped_at IS NULL
    AND metrics_port IS NOT NULL
    AND heartbeat_at > now() - make_interval(secs => %(lost_seconds)s)
UNION ALL
SELECT 'servant', id, type, host, metrics_port
FROM servants
WHERE state IN ('active', 'draining')
    AND metrics_port IS NOT NULL
    AND heartbeat_at > now() - make_interval(secs => %(lost_seconds)s)
ORDER BY 1, 2
