-- Whether all are there and as they were made; that nobody else may come into the database, which everybody may again
-- where it was restored; and that the manager has what it calls, where that was taken from everybody since.
SELECT
    (SELECT count(*) FROM pg_roles WHERE rolname = ANY(%(names)s) AND rolcanlogin) = cardinality(%(names)s::text[])
    AND (
        SELECT bool_and(has_database_privilege(oid, current_database(), 'CONNECT'))
        FROM pg_roles
        WHERE rolname = ANY(%(names)s)
    )
    AND NOT has_database_privilege('public', current_database(), 'CONNECT, TEMPORARY, CREATE')
    AND (SELECT bool_and(has_function_privilege(name, 'EXECUTE')) FROM unnest(%(functions)s::text[]) AS name)
    -- A role may change its own settings, everywhere or in one database.
    AND (
        SELECT coalesce(array_agg(told ORDER BY told COLLATE "C"), '{}')
        FROM pg_db_role_setting
        JOIN pg_roles ON pg_roles.oid = pg_db_role_setting.setrole
        CROSS JOIN unnest(pg_db_role_setting.setconfig) AS setting
        CROSS JOIN LATERAL (SELECT concat_ws(' ', rolname, nullif(setdatabase, 0), setting)) AS one (told)
        WHERE rolname = ANY(%(names)s)
    ) = %(settings)s::text[]
