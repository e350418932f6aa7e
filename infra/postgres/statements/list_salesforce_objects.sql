SELECT connection_id, account_id, name, label, key_prefix, state, problem, selected, bulk, described_at,
    describe_modified, synced_at, reconciled_at, reconciled, formulas_at, chosen, field_generation, position
FROM salesforce_objects
WHERE connection_id = %(connection_id)s AND (%(name)s::text IS NULL OR name = %(name)s)
    AND (selected OR NOT %(selected_only)s)
ORDER BY name
