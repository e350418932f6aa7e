SELECT 'breaker', count(*) FROM breakers WHERE state <> 'closed'
UNION ALL
SELECT 'incident', count(*)
FROM incidents
WHERE resolved_at IS NULL
    AND (muted_at IS NULL OR muted_until <= now())
    AND NOT EXISTS (
        SELECT FROM incident_mutes AS muted
        WHERE muted.fingerprint = incidents.fingerprint AND (muted.muted_until IS NULL OR muted.muted_until > now())
    )
UNION ALL
SELECT 'anomaly', count(*)
FROM anomalies
WHERE resolved_at IS NULL AND (muted_at IS NULL OR muted_until <= now())
