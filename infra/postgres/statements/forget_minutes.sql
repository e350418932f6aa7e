DELETE FROM account_rollups
WHERE step_seconds = 60 AND starts_at >= %(since)s AND starts_at < %(until)s AND type = %(type)s
