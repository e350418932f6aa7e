WITH unset AS (
    DELETE FROM budgets WHERE connection_id = %(connection_id)s AND source = 'set'
), unlearned AS (
    UPDATE budgets
    SET learned_limit = NULL, foreign_calls = 0, foreign_until = NULL, learned_at = NULL
    WHERE connection_id = %(connection_id)s AND source = 'declared'
)
UPDATE budget_states
SET blocked_until = NULL, blocked_reason = NULL
WHERE connection_id = %(connection_id)s
