SELECT blocked_until, blocked_reason, contended_at FROM budget_states WHERE connection_id = %(connection_id)s FOR UPDATE
