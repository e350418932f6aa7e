WITH looked_at AS MATERIALIZED (
    SELECT * FROM operator_actions WHERE id < %(before)s ORDER BY id DESC LIMIT %(window)s
), reach AS (
    SELECT min(id) AS reached, count(*) AS searched FROM looked_at
)
SELECT reach.reached, reach.searched, action.*
FROM reach
LEFT JOIN LATERAL (
    SELECT
        id, at, actor_kind, actor_id, actor_name, action, target_kind, target_id, account_id, detail, address,
        request_id
    FROM looked_at
    WHERE
        (%(actor)s::text IS NULL OR lower(actor_name) = lower(%(actor)s))
        AND (%(action)s::text IS NULL OR starts_with(looked_at.action, %(action)s))
        AND (%(target_kind)s::text IS NULL OR target_kind = %(target_kind)s)
        AND (%(target_id)s::text IS NULL OR target_id = %(target_id)s)
        AND (%(account_id)s::bigint IS NULL OR account_id = %(account_id)s)
        AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
    ORDER BY id DESC
    LIMIT %(limit)s
) AS action ON true
ORDER BY action.id DESC
