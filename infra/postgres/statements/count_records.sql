SELECT count(*) FROM records WHERE connection_id = %(connection_id)s AND kind = %(kind)s AND deleted_at IS NULL
