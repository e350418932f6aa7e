SELECT
    0::bigint AS position,
    ''::bytea AS chain,
    action.id AS action_id,
    action.id,
    to_char(action.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
    action.actor_kind,
    action.actor_id,
    action.actor_name,
    action.action,
    action.target_kind,
    action.target_id,
    action.account_id,
    action.detail::text AS detail,
    action.address,
    action.request_id
FROM operator_actions AS action
WHERE NOT EXISTS (SELECT FROM audit_chain AS link WHERE link.action_id = action.id)
ORDER BY action.id
