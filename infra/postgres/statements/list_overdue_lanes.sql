SELECT lanes.type, count(*)::int AS lanes, min(lanes.due_at) AS since
FROM job_types
JOIN lanes ON lanes.type = job_types.type
WHERE lanes.due_at < now() - make_interval(secs => %(overdue_seconds)s)
    AND coalesce(lanes.held_until <= now(), true)
    AND NOT lanes."full"
    AND job_types.paused_at IS NULL
GROUP BY lanes.type
ORDER BY lanes.type
