-- Also that nobody may make tables of their own any more, which a restored database lets everybody do again, and that
-- the manager has what it calls, where that was taken from everybody since.
SELECT
    (SELECT count(*) FROM pg_roles WHERE rolname = ANY(%(names)s) AND rolcanlogin) = cardinality(%(names)s::text[])
    AND NOT has_database_privilege(current_database(), 'TEMPORARY')
    AND (SELECT bool_and(has_function_privilege(name, 'EXECUTE')) FROM unnest(%(functions)s::text[]) AS name)
