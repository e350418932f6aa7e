WITH fitting AS (
    SELECT
        window_seconds, foreign_calls, foreign_until, learned_at,
        CASE
            -- A limit of an unknown window can only make ours smaller.
            WHEN %(window_seconds)s::int IS NULL THEN least(call_limit, nullif(%(limit)s::int, 0))
            ELSE coalesce(nullif(%(limit)s::int, 0), learned_limit, call_limit)
        END AS call_limit
    FROM budgets
    WHERE connection_id = %(connection_id)s
        AND window_seconds > 0
        AND CASE
            WHEN %(window_seconds)s::int IS NOT NULL THEN window_seconds = %(window_seconds)s
            ELSE %(reset_at)s::timestamptz IS NULL
                OR %(reset_at)s <= now() + make_interval(secs => window_seconds + 1)
        END
    ORDER BY window_seconds
    LIMIT 1
), weighed AS (
    SELECT
        fitting.*,
        greatest(
            0,
            fitting.call_limit - %(remaining)s::int - (
                SELECT coalesce(sum(calls), 0)
                FROM budget_usage
                WHERE budget_usage.connection_id = %(connection_id)s
                    AND budget_usage.window_seconds = fitting.window_seconds
                    AND bucket_at > now() - make_interval(secs => fitting.window_seconds)
            )
        )::int AS others
    FROM fitting
)
UPDATE budgets
SET learned_limit = CASE WHEN nullif(%(limit)s::int, 0) IS NULL THEN learned_limit ELSE weighed.call_limit END,
    foreign_calls = CASE
        WHEN %(remaining)s::int IS NULL THEN budgets.foreign_calls
        -- Answers cross one another: what a newer one showed is not taken back at once.
        WHEN weighed.others < budgets.foreign_calls
            AND weighed.foreign_until > now()
            AND weighed.learned_at > now() - interval '10 seconds'
        THEN budgets.foreign_calls
        ELSE weighed.others
    END,
    foreign_until = CASE
        WHEN %(remaining)s::int IS NULL THEN budgets.foreign_until
        WHEN %(reset_at)s::timestamptz IS NOT NULL THEN greatest(%(reset_at)s, now())
        -- Nobody says when they were made: now at the latest, so they may count for a whole window.
        ELSE now() + make_interval(secs => weighed.window_seconds)
    END,
    learned_at = now()
FROM weighed
WHERE budgets.connection_id = %(connection_id)s AND budgets.window_seconds = weighed.window_seconds
