WITH ended AS (
    SELECT id, state
    FROM servants
    WHERE host = %(host)s AND pid = %(pid)s AND process = %(process)s
    -- A pid may have been another's before.
    ORDER BY id DESC
    LIMIT 1
    FOR UPDATE
), lost AS (
    UPDATE servants
    SET state = 'lost', busy = 0, current_jobs = '[]'
    FROM ended
    WHERE servants.id = ended.id AND ended.state IN ('active', 'draining')
)
INSERT INTO process_exits (host, program, process, pid, kind, exit_status, signal, servant_id, at)
SELECT
    %(host)s, %(program)s, %(process)s, %(pid)s, %(kind)s, %(exit_status)s, %(signal)s, (SELECT id FROM ended),
    now() - make_interval(secs => %(seconds_ago)s)
RETURNING servant_id
