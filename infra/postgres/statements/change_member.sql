UPDATE members
SET role = %(role)s, disabled_at = CASE WHEN %(disabled)s THEN coalesce(disabled_at, now()) END
WHERE id = %(id)s
