SELECT id, attempt, servant_id, cancel_requested_at IS NOT NULL, deaths
FROM jobs
WHERE state = 'running'
    AND lease_until < now()
    AND (deaths + 1 >= %(poison_deaths)s OR cancel_requested_at IS NOT NULL)
ORDER BY id
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
