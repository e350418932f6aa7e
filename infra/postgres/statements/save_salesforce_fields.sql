INSERT INTO salesforce_fields AS field
    (connection_id, object, account_id, name, type, details, calculated, position)
SELECT %(connection_id)s, %(object)s, %(account_id)s, told.name, told.type, told.details, told.calculated, told.position
FROM unnest(%(names)s::text[], %(types)s::text[], %(details)s::jsonb[], %(calculated)s::boolean[])
    WITH ORDINALITY AS told (name, type, details, calculated, position)
ON CONFLICT (connection_id, object, name) DO UPDATE
SET type = excluded.type, details = excluded.details, calculated = excluded.calculated, position = excluded.position,
    stale_at = NULL, stale_reason = NULL
WHERE (field.type, field.details, field.calculated, field.position)
    IS DISTINCT FROM (excluded.type, excluded.details, excluded.calculated, excluded.position)
    OR field.stale_at IS NOT NULL
