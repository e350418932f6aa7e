-- updated_at stays as it is: a later one says that a person changed something, and has a refusal looked into at once.
UPDATE connections SET credentials = %(credentials)s WHERE id = %(id)s
