DELETE FROM anomalies
WHERE id IN (
    SELECT old.id
    FROM anomalies AS old
    WHERE old.last_seen_at < now() - make_interval(days => %(days)s)
        -- What somebody muted stays quiet whenever it comes again.
        AND NOT (old.muted_at IS NOT NULL AND (old.muted_until IS NULL OR old.muted_until > now()))
    ORDER BY old.last_seen_at
    LIMIT %(limit)s
    FOR UPDATE OF old SKIP LOCKED
)
