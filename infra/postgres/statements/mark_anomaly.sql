UPDATE anomalies
SET resolved_at = CASE WHEN %(resolved_by)s::text IS NOT NULL THEN now() END,
    resolved_by = %(resolved_by)s,
    muted_at = CASE WHEN %(muted_by)s::text IS NOT NULL THEN now() END,
    muted_until = %(muted_until)s,
    muted_by = %(muted_by)s
WHERE id = %(id)s
RETURNING id
