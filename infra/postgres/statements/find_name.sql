SELECT id, name FROM people WHERE lower(name) = lower(%(name)s)
