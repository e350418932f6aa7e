UPDATE imports
SET done = done + %(count)s,
    advanced_at = now(),
    mark_at = CASE WHEN next_mark_at < now() - interval '1 minute' THEN next_mark_at ELSE mark_at END,
    mark_done = CASE WHEN next_mark_at < now() - interval '1 minute' THEN next_mark_done ELSE mark_done END,
    next_mark_at = CASE WHEN next_mark_at < now() - interval '1 minute' THEN now() ELSE next_mark_at END,
    next_mark_done = CASE
        WHEN next_mark_at < now() - interval '1 minute' THEN done + %(count)s ELSE next_mark_done
    END
WHERE connection_id = %(connection_id)s AND kind = %(kind)s AND finished_at IS NULL
