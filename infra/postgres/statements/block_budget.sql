INSERT INTO budget_states (connection_id, blocked_until, blocked_reason)
SELECT id, least(%(until)s::timestamptz, '9000-01-01 00:00:00+00'), %(reason)s FROM connections WHERE id = %(connection_id)s
ON CONFLICT (connection_id) DO UPDATE
SET blocked_until = greatest(budget_states.blocked_until, excluded.blocked_until),
    blocked_reason = excluded.blocked_reason
