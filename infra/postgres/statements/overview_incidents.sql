SELECT
    incidents.id, incidents.kind, incidents.connection_id, connections.provider, connections.name, accounts.name,
    incidents.opened_at,
    count(*) OVER ()::int AS in_all
FROM incidents
JOIN connections ON connections.id = incidents.connection_id
JOIN accounts ON accounts.id = incidents.account_id
WHERE incidents.resolved_at IS NULL
    AND (incidents.muted_at IS NULL OR incidents.muted_until <= now())
    AND NOT EXISTS (
        SELECT FROM incident_mutes AS muted
        WHERE muted.fingerprint = incidents.fingerprint AND (muted.muted_until IS NULL OR muted.muted_until > now())
    )
ORDER BY incidents.opened_at, incidents.id
LIMIT %(limit)s
