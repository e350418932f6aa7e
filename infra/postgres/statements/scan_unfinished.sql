SELECT NULL::timestamptz AS order_at, id, state, type, account_id, lane, error IS NOT NULL AS has_error
FROM jobs
WHERE id < %(before_id)s
ORDER BY id DESC
LIMIT %(window)s
