-- updated_at stays as it is: nobody changed anything.
UPDATE connections
SET config = config || jsonb_build_object('organization_id', %(organization_id)s::text)
WHERE id = %(id)s AND jsonb_typeof(config) = 'object' AND NOT config ? 'organization_id'
