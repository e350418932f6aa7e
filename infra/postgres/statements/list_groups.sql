SELECT id
FROM job_groups
WHERE (%(account_id)s::bigint IS NULL OR account_id = %(account_id)s)
    AND (NOT %(unfinished)s OR finished_at IS NULL)
    AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC
LIMIT %(limit)s
