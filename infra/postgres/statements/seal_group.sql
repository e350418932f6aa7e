WITH sealed AS (
    UPDATE job_groups SET sealed_at = now() WHERE id = %(id)s AND sealed_at IS NULL RETURNING id
)
INSERT INTO group_notes (group_id) SELECT id FROM sealed
