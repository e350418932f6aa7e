SELECT external_id
FROM (
    SELECT external_id, row_number() OVER (ORDER BY external_id) AS number
    FROM records
    WHERE connection_id = %(connection_id)s AND kind = %(kind)s AND deleted_at IS NULL
) AS numbered
WHERE number > 1 AND number %% %(rows)s = 1
ORDER BY external_id
