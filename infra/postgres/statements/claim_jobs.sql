WITH offered AS (
    SELECT id
    FROM jobs
    WHERE id = ANY(%(ids)s::bigint[]) AND type = %(type)s AND state = 'queued'
    ORDER BY id
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs
SET state = 'running',
    reason = 'claim',
    attempt = attempt + 1,
    servant_id = %(servant_id)s,
    on_trial = false,
    unique_key = CASE WHEN unique_waiting THEN NULL ELSE unique_key END,
    claimed_at = now(),
    lease_until = now() + make_interval(secs => %(lease_seconds)s)
FROM offered
WHERE jobs.id = offered.id
RETURNING
    jobs.id, jobs.type, jobs.attempt, jobs.account_id, jobs.lane, jobs.failures, jobs.checkpoint, jobs.request_id,
    jobs.fire_at, jobs.deaths, jobs.charged_seconds, jobs.traceparent, jobs.group_id, jobs.priority,
    date_part('epoch', now() - jobs.run_at), jobs.payload::text
