WITH change AS (
    SELECT *
    FROM unnest(
        %(ids)s::bigint[], %(on_conflict)s::text[], %(account_id)s::bigint[], %(lane)s::text[], %(priority)s::smallint[],
        %(run_at)s::timestamptz[], %(payload)s::jsonb[], %(max_wait)s::float8[]
    ) AS row (id, on_conflict, account_id, lane, priority, run_at, payload, max_wait)
), planned AS (
    SELECT
        change.*, holder.state, holder.lane AS old_lane, holder.run_at AS old_run_at,
        change.on_conflict <> 'earlier' AS replaces,
        CASE
            WHEN change.on_conflict = 'replace' THEN coalesce(change.run_at, holder.run_at)
            WHEN change.on_conflict = 'later' THEN greatest(
                holder.run_at,
                least(coalesce(change.run_at, now()), holder.created_at + make_interval(secs => change.max_wait))
            )
            -- What waits after a failure or for a provider is not hurried.
            WHEN holder.state = 'queued' OR holder.reason IN ('retry', 'snooze', 'rescue') THEN holder.run_at
            ELSE least(holder.run_at, coalesce(change.run_at, now()))
        END AS new_run_at
    FROM change
    -- One by one: the planner cannot know how few these are, and would read the whole table to join them.
    CROSS JOIN LATERAL (
        SELECT jobs.lane, jobs.state, jobs.reason, jobs.run_at, jobs.created_at
        FROM jobs
        WHERE jobs.id = change.id
        LIMIT 1
    ) AS holder
), changed AS (
    UPDATE jobs
    SET account_id = CASE WHEN planned.replaces THEN planned.account_id ELSE jobs.account_id END,
        lane = CASE WHEN planned.replaces THEN planned.lane ELSE jobs.lane END,
        priority = CASE WHEN planned.replaces THEN planned.priority ELSE jobs.priority END,
        payload = CASE WHEN planned.replaces THEN planned.payload ELSE jobs.payload END,
        -- How far the old payload's work had come says nothing about the new one's.
        checkpoint = CASE WHEN planned.replaces THEN NULL ELSE jobs.checkpoint END,
        run_at = planned.new_run_at,
        state = 'pending',
        reason = CASE WHEN jobs.state = 'queued' THEN 'undelivered' ELSE jobs.reason END
    FROM planned
    WHERE jobs.id = planned.id AND (planned.replaces OR planned.new_run_at < planned.old_run_at)
    RETURNING
        jobs.id, jobs.attempt, jobs.account_id, jobs.type, jobs.lane, jobs.run_at, jobs.charged_seconds,
        planned.state AS old_state, planned.old_lane, planned.old_run_at, planned.on_conflict
), noted AS (
    INSERT INTO job_events (job_id, attempt, account_id, from_state, to_state, reason)
    SELECT id, attempt, account_id, 'queued', 'pending', 'undelivered' FROM changed WHERE old_state = 'queued'
), woken AS (
    INSERT INTO lane_wakes (type, lane, due_at, charge, pending)
    SELECT type, lane, min(due_at), sum(charge), sum(pending)
    FROM (
        SELECT type, lane, run_at AS due_at, 0 AS charge, 1 AS pending FROM changed
        UNION ALL
        SELECT type, old_lane, now(), -charged_seconds, 0 FROM changed WHERE old_state = 'queued'
        UNION ALL
        SELECT type, old_lane, NULL, 0, -1 FROM changed WHERE old_state = 'pending'
    ) AS wake
    GROUP BY type, lane
)
SELECT id, CASE WHEN on_conflict = 'replace' OR run_at = old_run_at THEN 'replaced' ELSE 'moved' END FROM changed
