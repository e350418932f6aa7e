SELECT id, host, program, process, pid, kind, exit_status, signal, servant_id, at
FROM process_exits
WHERE host = %(host)s AND process = %(process)s
ORDER BY at DESC, id DESC
LIMIT %(limit)s
