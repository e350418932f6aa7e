WITH outcome AS (
    SELECT *
    FROM unnest(
        %(ids)s::bigint[], %(attempts)s::int[], %(reasons)s::job_reason[], %(delays)s::float8[],
        %(untils)s::timestamptz[], %(errors)s::jsonb[], %(evidences)s::jsonb[], %(failed_attempts)s::int[]
    ) AS row (id, attempt, reason, delay, until, error, evidence, failed_attempt)
), back AS (
    UPDATE jobs
    SET state = 'pending',
        reason = outcome.reason,
        run_at = CASE
            -- Within the years that every client can read.
            WHEN outcome.until IS NOT NULL THEN least(greatest(outcome.until, now()), '9000-01-01 00:00:00+00')
            WHEN outcome.delay IS NOT NULL THEN
                least(greatest(now() + make_interval(secs => outcome.delay), now()), '9000-01-01 00:00:00+00')
            ELSE jobs.run_at
        END,
        failures = jobs.failures + outcome.failed_attempt,
        -- A job that was handed back has proved nothing.
        deaths = CASE WHEN outcome.reason = 'release' THEN jobs.deaths ELSE 0 END,
        error = coalesce(outcome.error, jobs.error),
        servant_id = NULL,
        lease_until = NULL
    FROM outcome
    WHERE jobs.id = outcome.id
        AND jobs.attempt = outcome.attempt
        AND jobs.state = 'running'
        AND jobs.cancel_requested_at IS NULL
    RETURNING
        jobs.id, jobs.attempt, jobs.account_id, jobs.type, jobs.lane, jobs.run_at, outcome.reason, outcome.error,
        outcome.evidence
), noted AS (
    INSERT INTO job_events (job_id, attempt, account_id, from_state, to_state, reason, detail, evidence)
    SELECT id, attempt, account_id, 'running', 'pending', reason, error, evidence FROM back
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at, pending)
    SELECT type, lane, min(run_at), count(*) FROM back GROUP BY type, lane
)
SELECT id, attempt, type, lane FROM back
