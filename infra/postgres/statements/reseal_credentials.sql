-- Credentials that somebody stored meanwhile are left alone: they have the new form already.
UPDATE connections SET credentials = %(anew)s WHERE id = %(id)s AND credentials = %(credentials)s
