WITH state AS (
    INSERT INTO budget_states (connection_id)
    SELECT id FROM connections WHERE id = %(connection_id)s
    ON CONFLICT (connection_id) DO NOTHING
), gone AS (
    DELETE FROM budgets
    WHERE connection_id = %(connection_id)s
        AND source = 'declared'
        AND %(source)s = 'declared'
        AND NOT window_seconds = ANY(%(windows)s::int[])
)
INSERT INTO budgets (connection_id, window_seconds, call_limit, reserve, source)
SELECT %(connection_id)s, row.window_seconds, row.call_limit, %(reserve)s, %(source)s
FROM unnest(%(windows)s::int[], %(limits)s::int[]) AS row (window_seconds, call_limit)
WHERE EXISTS (SELECT 1 FROM connections WHERE id = %(connection_id)s)
ORDER BY row.window_seconds
ON CONFLICT (connection_id, window_seconds) DO UPDATE
SET call_limit = excluded.call_limit, reserve = excluded.reserve, source = excluded.source
WHERE budgets.source = 'declared' OR excluded.source = 'set'
