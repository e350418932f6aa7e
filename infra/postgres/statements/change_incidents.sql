UPDATE incidents
SET assigned_to = CASE WHEN %(assigns)s THEN %(assigned_to)s ELSE assigned_to END,
    muted_at = CASE WHEN NOT %(mutes)s THEN muted_at WHEN %(muted_by)s::text IS NOT NULL THEN now() END,
    muted_until = CASE WHEN %(mutes)s THEN %(muted_until)s::timestamptz ELSE muted_until END,
    muted_by = CASE WHEN %(mutes)s THEN %(muted_by)s ELSE muted_by END
WHERE CASE WHEN %(id)s::bigint IS NULL
    THEN fingerprint = %(fingerprint)s AND resolved_at IS NULL
    ELSE id = %(id)s
END
RETURNING id
