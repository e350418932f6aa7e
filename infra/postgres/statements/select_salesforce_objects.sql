WITH chosen AS (
    INSERT INTO salesforce_objects AS object (connection_id, account_id, name, selected)
    SELECT %(connection_id)s, %(account_id)s, name, true
    FROM unnest(%(names)s::text[]) AS name
    -- One whose first reading was broken off when it was removed is read from the beginning.
    ON CONFLICT (connection_id, name) DO UPDATE
    SET selected = true,
        state = CASE WHEN object.state IN ('live', 'gone') THEN object.state ELSE 'pending' END,
        position = CASE WHEN object.state IN ('live', 'gone') THEN object.position ELSE '{}' END
    WHERE NOT object.selected
)
UPDATE salesforce_objects SET selected = false
WHERE connection_id = %(connection_id)s AND selected AND name <> ALL (%(names)s::text[])
