SELECT
    id, attempt, servant_id, cancel_requested_at IS NOT NULL, deaths,
    (SELECT job_types.order_policy FROM job_types WHERE job_types.type = jobs.type)
FROM jobs
WHERE state = 'running'
    AND lease_until < now()
    AND (deaths + 1 >= %(poison_deaths)s AND on_trial OR cancel_requested_at IS NOT NULL)
-- Not by the key as it is: the planner would walk the whole table in that order, looking for the first ones.
ORDER BY id + 0
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
