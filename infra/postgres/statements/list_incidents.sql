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
    ) AS lanes
FROM incidents
JOIN accounts ON accounts.id = incidents.account_id
JOIN connections ON connections.id = incidents.connection_id
WHERE (%(id)s::bigint IS NULL OR incidents.id = %(id)s)
    AND (%(connection_id)s::bigint IS NULL OR incidents.connection_id = %(connection_id)s)
    AND (%(resolved)s OR incidents.resolved_at IS NULL OR incidents.id = %(id)s)
ORDER BY incidents.opened_at DESC, incidents.id DESC
LIMIT %(limit)s
