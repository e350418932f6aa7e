SELECT
    incidents.id, incidents.account_id, accounts.name AS account_name, incidents.connection_id,
    connections.provider, connections.name AS connection_name, incidents.kind, incidents.reason, incidents.opened_at,
    incidents.job_id, incidents.probe_at, incidents.probes, incidents.probe_job_id, incidents.probed_at,
    incidents.probe_error, incidents.resolved_at, incidents.resolved_by,
    (
        SELECT count(*)::int
        FROM lane_holds
        WHERE lane_holds.scope = 'connection:' || incidents.connection_id
            AND lane_holds.kind = 'incident'
            AND incidents.resolved_at IS NULL
            AND incidents.kind <> 'part'
    ) AS lanes,
    incidents.fingerprint, incidents.assigned_to,
    coalesce(own.muted_by, theirs.muted_by) AS muted_by,
    CASE WHEN own.muted_by IS NOT NULL THEN own.muted_until ELSE theirs.muted_until END AS muted_until
FROM incidents
JOIN accounts ON accounts.id = incidents.account_id
JOIN connections ON connections.id = incidents.connection_id
LEFT JOIN LATERAL (
    SELECT incidents.muted_by, incidents.muted_until
    WHERE incidents.muted_at IS NOT NULL AND (incidents.muted_until IS NULL OR incidents.muted_until > now())
) AS own ON true
LEFT JOIN incident_mutes AS theirs
    ON theirs.fingerprint = incidents.fingerprint AND (theirs.muted_until IS NULL OR theirs.muted_until > now())
WHERE (%(id)s::bigint IS NULL OR incidents.id = %(id)s)
    AND (%(connection_id)s::bigint IS NULL OR incidents.connection_id = %(connection_id)s)
    AND (%(account_id)s::bigint IS NULL OR incidents.account_id = %(account_id)s)
    AND (%(fingerprint)s::text IS NULL OR incidents.fingerprint = %(fingerprint)s)
    AND (%(resolved)s OR incidents.resolved_at IS NULL OR incidents.id = %(id)s)
    AND (
        %(before)s::timestamptz IS NULL
        OR (incidents.opened_at, incidents.id) < (%(before)s::timestamptz, %(before_id)s::bigint)
    )
ORDER BY incidents.opened_at DESC, incidents.id DESC
LIMIT %(limit)s
