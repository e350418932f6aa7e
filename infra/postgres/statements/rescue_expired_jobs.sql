WITH expired AS (
    SELECT id
    FROM jobs
    WHERE state = 'running'
        AND lease_until < now()
        AND (deaths + 1 < %(poison_deaths)s OR NOT on_trial)
        AND cancel_requested_at IS NULL
    -- Not by the key as it is: the planner would walk the whole table in that order, looking for the first ones.
    ORDER BY id + 0
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), rescued AS (
    UPDATE jobs
    SET state = 'pending',
        reason = 'rescue',
        -- The last death is only counted against a job that had begun: the others were its servant's by chance.
        deaths = least(deaths + 1, %(poison_deaths)s - 1),
        run_at = now() + make_interval(secs => deaths * %(backoff_seconds)s),
        error = jsonb_build_object(
            'kind', 'LeaseExpired', 'message', format('servant %%s stopped renewing its lease', servant_id),
            'fingerprint', '8aa7d072'
        ),
        servant_id = NULL,
        lease_until = NULL
    FROM expired
    WHERE jobs.id = expired.id
    RETURNING jobs.id, jobs.attempt, jobs.account_id, jobs.type, jobs.lane, jobs.run_at, jobs.error
), noted AS (
    INSERT INTO job_events (job_id, attempt, account_id, from_state, to_state, reason, detail)
    SELECT id, attempt, account_id, 'running', 'pending', 'rescue', error FROM rescued
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at, pending)
    SELECT type, lane, min(run_at), count(*) FROM rescued GROUP BY type, lane
)
SELECT id, attempt, type, account_id FROM rescued
