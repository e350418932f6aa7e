WITH told AS (
    SELECT DISTINCT ON (external_id) external_id, version
    FROM pg_temp.staged_records
    ORDER BY external_id, version DESC
), held AS (
    SELECT external_id, version
    FROM records
    WHERE connection_id = %(connection_id)s AND kind = %(kind)s AND deleted_at IS NULL
        AND external_id >= %(low)s AND (%(high)s::text IS NULL OR external_id < %(high)s)
)
SELECT external_id, held.external_id IS NULL AS missing, told.external_id IS NULL AS surplus
FROM told FULL JOIN held USING (external_id)
WHERE told.version IS DISTINCT FROM held.version
ORDER BY external_id
