SELECT
    id, at, actor_kind, actor_id, actor_name, action, target_kind, target_id, account_id, detail, address, request_id
FROM operator_actions
WHERE target_kind = %(target_kind)s AND target_id = %(target_id)s
ORDER BY id DESC
LIMIT %(limit)s
