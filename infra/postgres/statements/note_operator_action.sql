INSERT INTO operator_actions (
    actor_kind, actor_id, actor_name, action, target_kind, target_id, account_id, detail, address, request_id
)
VALUES (
    %(actor_kind)s,
    %(actor_id)s,
    %(actor_name)s,
    %(action)s,
    %(target_kind)s,
    %(target_id)s,
    %(account_id)s,
    %(detail)s,
    %(address)s,
    %(request_id)s
)
