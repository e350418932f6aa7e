UPDATE salesforce_fields SET stale_at = coalesce(stale_at, now()), stale_reason = %(reason)s
WHERE connection_id = %(connection_id)s AND object = %(object)s AND name = ANY (%(names)s::text[])
    AND stale_reason IS DISTINCT FROM %(reason)s
