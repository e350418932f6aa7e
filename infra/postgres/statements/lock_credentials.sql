SELECT pg_advisory_xact_lock(hashtextextended('credentials of connection ' || %(connection_id)s::bigint, 0))
