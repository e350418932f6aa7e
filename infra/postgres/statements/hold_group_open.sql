SELECT sealed_at IS NULL AND cancel_requested_at IS NULL, cancel_reason
FROM job_groups
WHERE id = %(id)s
-- Others may add at the same time, and the counts may be written; sealing waits.
FOR KEY SHARE
