WITH back AS (
    UPDATE jobs
    SET state = 'pending', reason = 'undelivered'
    WHERE id = ANY(%(ids)s) AND state = 'queued'
    RETURNING id, attempt, account_id, type, lane, run_at, charged_seconds
), noted AS (
    INSERT INTO job_events (job_id, attempt, account_id, from_state, to_state, reason)
    SELECT id, attempt, account_id, 'queued', 'pending', 'undelivered' FROM back
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at, charge, pending)
    SELECT type, lane, min(run_at), -sum(charged_seconds), count(*) FROM back GROUP BY type, lane
)
SELECT id FROM back
