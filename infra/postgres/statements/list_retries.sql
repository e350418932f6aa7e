-- An unfinished retry is found by its unique key, one that ended by the job that it ran again.
SELECT holder.id, holder.state, NULL::timestamptz AS finished_at
FROM jobs AS holder
WHERE holder.type = %(type)s
    AND holder.unique_key = coalesce(%(unique_key)s::text, 'retry:' || %(id)s::bigint)
    AND holder.retry_of = %(id)s
UNION ALL
SELECT later.id, later.state, later.finished_at
FROM (
    SELECT id, state, finished_at FROM job_history WHERE retry_of = %(id)s ORDER BY id DESC LIMIT %(limit)s
) AS later
ORDER BY id DESC
