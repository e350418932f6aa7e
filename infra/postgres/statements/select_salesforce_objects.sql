WITH chosen AS (
    INSERT INTO salesforce_objects AS object (connection_id, account_id, name, selected)
    SELECT %(connection_id)s, %(account_id)s, name, true
    FROM unnest(%(names)s::text[]) AS name
    ON CONFLICT (connection_id, name) DO UPDATE SET selected = true WHERE NOT object.selected
)
UPDATE salesforce_objects SET selected = false
WHERE connection_id = %(connection_id)s AND selected AND name <> ALL (%(names)s::text[])
