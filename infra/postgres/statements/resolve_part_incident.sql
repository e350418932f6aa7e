UPDATE incidents
SET resolved_at = now(), resolved_by = %(by)s
WHERE connection_id = %(connection_id)s
    AND kind = 'part'
    AND resolved_at IS NULL
    AND reason IS DISTINCT FROM %(reason)s
