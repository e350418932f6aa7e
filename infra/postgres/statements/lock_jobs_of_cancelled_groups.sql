SELECT jobs.id
FROM jobs
WHERE jobs.group_id = ANY(
        ARRAY(SELECT id FROM job_groups WHERE finished_at IS NULL AND cancel_requested_at IS NOT NULL)
    )
    AND (jobs.state IN ('pending', 'queued') OR jobs.cancel_requested_at IS NULL)
ORDER BY jobs.group_id, jobs.id
LIMIT %(limit)s
-- Whoever holds one lets it go soon; it is cancelled next time.
FOR UPDATE SKIP LOCKED
