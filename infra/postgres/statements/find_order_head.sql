SELECT id, state::text, run_at
FROM jobs
WHERE type = %(type)s AND lane = %(lane)s AND ordered
ORDER BY id
LIMIT 1
