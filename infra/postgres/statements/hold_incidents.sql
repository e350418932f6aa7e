SELECT id, reason, probe_at
FROM incidents
WHERE connection_id = %(connection_id)s AND resolved_at IS NULL AND kind <> 'part'
FOR SHARE
