SELECT
    count(*) FILTER (WHERE state = 'running' AND lease_until < now() - make_interval(secs => %(slack_seconds)s))::int,
    count(*) FILTER (
        WHERE state = 'queued'
            AND queued_at < now() - make_interval(secs => %(queued_timeout_seconds)s + %(slack_seconds)s)
    )::int
FROM jobs
WHERE state IN ('queued', 'running')
