DELETE FROM record_replacements WHERE connection_id = %(connection_id)s AND kind = %(kind)s
