INSERT INTO servants (type, host, pid, version, slots)
VALUES (%(type)s, %(host)s, %(pid)s, %(version)s, %(slots)s)
RETURNING id
