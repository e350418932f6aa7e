SELECT
    type,
    state::text,
    sum(jobs)::bigint,
    coalesce(sum(jobs) FILTER (WHERE minute >= now() - interval '24 hours'), 0)::bigint
FROM job_rollups
WHERE minute >= %(since)s
GROUP BY type, state
