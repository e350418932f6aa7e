SELECT probe_at FROM breakers WHERE scope = %(scope)s AND state <> 'closed' FOR SHARE
