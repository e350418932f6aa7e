UPDATE incidents
SET probe_at = least(probe_at, now())
WHERE connection_id = %(connection_id)s AND resolved_at IS NULL AND kind <> 'part'
RETURNING id
