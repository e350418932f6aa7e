UPDATE visits
SET state = CASE WHEN %(granted)s THEN 'granted' ELSE 'refused' END,
    decided_at = now(),
    decided_by = %(by)s,
    ended_at = CASE WHEN %(granted)s THEN NULL ELSE now() END
WHERE id = %(id)s AND state = 'asked'
