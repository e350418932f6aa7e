WITH waiting AS (
    SELECT id FROM jobs WHERE id = ANY(%(ids)s) AND state IN ('pending', 'queued') ORDER BY id FOR UPDATE
), gone AS (
    DELETE FROM jobs USING waiting WHERE jobs.id = waiting.id RETURNING jobs.*
), kept AS (
    INSERT INTO job_history (
        id, type, account_id, lane, priority, state, reason, attempt, failures, deaths, created_at, run_at, queued_at,
        claimed_at, servant_id, schedule_id, fire_at, retry_of, group_id, request_id, unique_key, payload,
        checkpoint, progress_done, progress_total, error, cancel_requested_at, finished_at
    )
    SELECT
        id, type, account_id, lane, priority, 'cancelled', 'cancel', attempt, failures, deaths, created_at, run_at,
        queued_at, claimed_at, servant_id, schedule_id, fire_at, retry_of, group_id, request_id, unique_key, payload,
        checkpoint, progress_done, progress_total, error, now(), now()
    FROM gone
), noted AS (
    INSERT INTO job_events (job_id, attempt, account_id, from_state, to_state, reason)
    SELECT id, attempt, account_id, state, 'cancelled', 'cancel' FROM gone
), counted AS (
    INSERT INTO job_rollups (minute, type, state, shard, jobs, run_seconds, wait_seconds)
    SELECT date_trunc('minute', now()), type, 'cancelled', 0, count(*), 0, 0 FROM gone GROUP BY type ORDER BY type
    ON CONFLICT (minute, type, state, shard) DO UPDATE SET jobs = job_rollups.jobs + excluded.jobs
), grouped AS (
    INSERT INTO group_notes (group_id, completed, failed, cancelled, cancel_reason)
    SELECT group_id, 0, 0, count(*), NULL
    FROM gone
    WHERE group_id IS NOT NULL
    GROUP BY group_id
    UNION ALL
    SELECT job_groups.id, 0, 0, 0, 'its parent was cancelled'
    FROM job_groups
    WHERE job_groups.parent_job_id = ANY(ARRAY(SELECT id FROM gone))
        AND job_groups.finished_at IS NULL
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at, pending)
    SELECT
        type, lane, CASE WHEN bool_or(state = 'queued') THEN now() END, -count(*) FILTER (WHERE state = 'pending')
    FROM gone
    GROUP BY type, lane
)
SELECT id FROM gone
