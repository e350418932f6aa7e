UPDATE cost_progress SET shared_until = %(since)s::timestamptz + interval '1 hour'
