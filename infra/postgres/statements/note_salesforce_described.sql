UPDATE salesforce_objects
SET label = %(label)s, key_prefix = %(key_prefix)s, describe_modified = %(modified)s, bulk = %(bulk)s,
    described_at = now()
WHERE connection_id = %(connection_id)s AND name = %(name)s
