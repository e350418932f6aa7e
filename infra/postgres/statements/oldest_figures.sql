SELECT min(starts_at)
FROM account_rollups
WHERE step_seconds = %(step_seconds)s AND starts_at < %(until)s
