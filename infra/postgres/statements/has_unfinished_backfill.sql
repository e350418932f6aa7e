SELECT
    EXISTS (
        SELECT FROM jobs
        WHERE type = 'salesforce.backfill' AND lane = %(lane)s AND state = 'pending' AND payload ->> 'object' = %(name)s
    )
    OR EXISTS (
        SELECT FROM jobs
        WHERE type = 'salesforce.backfill' AND lane = %(lane)s AND state IN ('queued', 'running')
            AND payload ->> 'object' = %(name)s
    )
