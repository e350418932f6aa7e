SELECT width_bucket(external_id, %(bounds)s::text[]) AS range, count(*),
    sum(('x' || encode(substr(sha256(convert_to(external_id || ' ' || version, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint),
    sum(content_hash)
FROM records
WHERE connection_id = %(connection_id)s AND kind = %(kind)s AND deleted_at IS NULL
    AND external_id >= %(low)s AND (%(high)s::text IS NULL OR external_id < %(high)s)
GROUP BY 1
