WITH undelivered AS (
    SELECT id
    FROM jobs
    WHERE state = 'queued' AND queued_at < now() - make_interval(secs => %(queued_timeout_seconds)s)
    -- Not by the key as it is: the planner would walk the whole table in that order, looking for the first ones.
    ORDER BY id + 0
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), back AS (
    UPDATE jobs
    SET state = 'pending', reason = 'undelivered'
    FROM undelivered
    WHERE jobs.id = undelivered.id
    RETURNING jobs.id, jobs.attempt, jobs.account_id, jobs.type, jobs.lane, jobs.run_at, jobs.charged_seconds
), noted AS (
    INSERT INTO job_events (job_id, attempt, account_id, from_state, to_state, reason)
    SELECT id, attempt, account_id, 'queued', 'pending', 'undelivered' FROM back
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at, charge, pending)
    SELECT type, lane, min(run_at), -sum(charged_seconds), count(*) FROM back GROUP BY type, lane
)
SELECT id, type FROM back
