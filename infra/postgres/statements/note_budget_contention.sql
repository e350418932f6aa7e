UPDATE budget_states SET contended_at = now() WHERE connection_id = %(connection_id)s
