SELECT coalesce(unfinished.id, kept.job_id), coalesce(unfinished.waits, false)
FROM unnest(%(types)s::text[], %(keys)s::text[], %(periods)s::float8[]) WITH ORDINALITY AS asked (type, key, period, n)
LEFT JOIN LATERAL (
    SELECT jobs.id, jobs.state IN ('pending', 'queued') AS waits
    FROM jobs
    WHERE jobs.type = asked.type AND jobs.unique_key = asked.key
    LIMIT 1
) AS unfinished ON true
LEFT JOIN LATERAL (
    SELECT job_keys.job_id
    FROM job_keys
    WHERE asked.period IS NOT NULL
        AND job_keys.type = asked.type
        AND job_keys.key = asked.key
        AND job_keys.until > clock_timestamp()
    LIMIT 1
) AS kept ON true
ORDER BY asked.n
