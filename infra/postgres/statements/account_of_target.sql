SELECT account_id FROM jobs WHERE %(kind)s = 'job' AND id = %(id)s
UNION ALL
(SELECT account_id FROM job_history WHERE %(kind)s = 'job' AND id = %(id)s ORDER BY finished_at DESC LIMIT 1)
UNION ALL
SELECT account_id FROM schedules WHERE %(kind)s = 'schedule' AND id = %(id)s
UNION ALL
SELECT account_id FROM connections WHERE %(kind)s = 'connection' AND id = %(id)s
UNION ALL
SELECT connections.account_id
FROM incidents
JOIN connections ON connections.id = incidents.connection_id
WHERE %(kind)s = 'incident' AND incidents.id = %(id)s
LIMIT 1
