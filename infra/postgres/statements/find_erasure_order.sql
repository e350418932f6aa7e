SELECT actor_kind, actor_id, actor_name
FROM operator_actions
WHERE target_kind = 'account' AND target_id = %(account_id)s::text AND action = 'account.erase'
ORDER BY id DESC
LIMIT 1
