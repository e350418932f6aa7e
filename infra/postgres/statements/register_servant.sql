INSERT INTO servants (type, host, pid, process, version, slots)
VALUES (%(type)s, %(host)s, %(pid)s, %(process)s, %(version)s, %(slots)s)
RETURNING id
