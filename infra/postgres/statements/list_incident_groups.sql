SELECT
    incidents.fingerprint, min(incidents.kind) AS kind,
    (array_agg(incidents.reason ORDER BY incidents.id DESC))[1] AS reason,
    array_agg(DISTINCT connections.provider) AS providers,
    min(incidents.opened_at) AS first_opened_at, max(incidents.opened_at) AS last_opened_at,
    count(*)::int AS incidents, count(DISTINCT incidents.account_id)::int AS accounts,
    CASE WHEN count(DISTINCT incidents.assigned_to) = 1 AND count(incidents.assigned_to) = count(*)
        THEN min(incidents.assigned_to)
    END AS assigned_to,
    min(theirs.muted_by) AS muted_by, min(theirs.muted_until) AS muted_until
FROM incidents
JOIN connections ON connections.id = incidents.connection_id
LEFT JOIN incident_mutes AS theirs
    ON theirs.fingerprint = incidents.fingerprint AND (theirs.muted_until IS NULL OR theirs.muted_until > now())
WHERE incidents.resolved_at IS NULL
GROUP BY incidents.fingerprint
ORDER BY (min(theirs.muted_by) IS NULL) DESC, count(DISTINCT incidents.account_id) DESC, max(incidents.opened_at) DESC,
    incidents.fingerprint
LIMIT %(limit)s
