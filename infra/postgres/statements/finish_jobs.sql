WITH outcome AS (
    SELECT *
    FROM unnest(
        %(ids)s::bigint[], %(attempts)s::int[], %(states)s::job_state[], %(reasons)s::job_reason[],
        %(results)s::jsonb[], %(errors)s::jsonb[], %(evidences)s::jsonb[], %(failed_attempts)s::int[],
        %(run_seconds)s::float8[]
    ) AS row (id, attempt, state, reason, result, error, evidence, failed_attempt, run_seconds)
), gone AS (
    DELETE FROM jobs
    USING outcome
    WHERE jobs.id = outcome.id
        AND jobs.attempt = outcome.attempt
        AND jobs.state = 'running'
        AND (NOT %(only_cancelled)s OR jobs.cancel_requested_at IS NOT NULL)
    RETURNING
        jobs.*, outcome.state AS to_state, outcome.reason AS to_reason, outcome.result,
        coalesce(outcome.error, jobs.error) AS last_error, outcome.evidence, outcome.failed_attempt,
        outcome.run_seconds
), kept AS (
    INSERT INTO job_history (
        id, type, account_id, lane, priority, state, reason, attempt, failures, deaths, created_at, run_at, queued_at,
        claimed_at, servant_id, schedule_id, fire_at, retry_of, group_id, request_id, unique_key, payload,
        checkpoint, progress_done, progress_total, error, cancel_requested_at, finished_at, run_seconds, result
    )
    SELECT
        id, type, account_id, lane, priority, to_state, to_reason, attempt, failures + failed_attempt, deaths,
        created_at, run_at, queued_at, claimed_at, servant_id, schedule_id, fire_at, retry_of, group_id, request_id,
        unique_key, payload, checkpoint, progress_done, progress_total, last_error, cancel_requested_at, now(),
        run_seconds, result
    FROM gone
), noted AS (
    INSERT INTO job_events (job_id, attempt, account_id, from_state, to_state, reason, detail, evidence)
    SELECT id, attempt, account_id, 'running', to_state, to_reason, last_error, evidence
    FROM gone
    WHERE to_state <> 'completed'
), counted AS (
    INSERT INTO job_rollups (minute, type, state, shard, jobs, run_seconds, wait_seconds)
    SELECT
        date_trunc('minute', now()), type, to_state, %(shard)s, count(*), coalesce(sum(run_seconds), 0),
        coalesce(sum(extract(epoch FROM greatest(claimed_at - run_at, '0'))), 0)
    FROM gone
    GROUP BY type, to_state
    ORDER BY type, to_state
    ON CONFLICT (minute, type, state, shard) DO UPDATE
    SET jobs = job_rollups.jobs + excluded.jobs,
        run_seconds = job_rollups.run_seconds + excluded.run_seconds,
        wait_seconds = job_rollups.wait_seconds + excluded.wait_seconds
), grouped AS (
    INSERT INTO group_notes (group_id, completed, failed, cancelled, cancel_reason)
    SELECT
        group_id, count(*) FILTER (WHERE to_state = 'completed'), count(*) FILTER (WHERE to_state = 'failed'),
        count(*) FILTER (WHERE to_state = 'cancelled'), NULL
    FROM gone
    WHERE group_id IS NOT NULL
    GROUP BY group_id
    UNION ALL
    SELECT job_groups.id, 0, 0, 0, 'its parent was cancelled'
    FROM job_groups
    WHERE job_groups.parent_job_id = ANY(ARRAY(SELECT id FROM gone WHERE to_state = 'cancelled'))
        AND job_groups.finished_at IS NULL
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at)
    SELECT freed.type, freed.lane, now()
    FROM (SELECT DISTINCT type, lane FROM gone) AS freed
    JOIN job_types ON job_types.type = freed.type
    LEFT JOIN lanes ON lanes.type = freed.type AND lanes.lane = freed.lane
    WHERE coalesce(lanes.concurrency_limit, job_types.lane_limit, job_types.type_limit) IS NOT NULL
        -- By a limit that has gone meanwhile.
        OR lanes."full"
    RETURNING 1
)
SELECT id, attempt, type, lane, (SELECT count(*) FROM woken) FROM gone
