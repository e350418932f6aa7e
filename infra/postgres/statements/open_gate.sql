SELECT
    connections.id, connections.account_id, connections.provider, connections.name, connections.config,
    connections.credentials, account_keys.wrapped AS wrapped_key,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_array(window_seconds, call_limit, reserve, source)), '[]')
        FROM budgets
        WHERE budgets.connection_id = connections.id
    ) AS budgets,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_array(kind, key, reason, until, due)), '[]')
        FROM (
            SELECT
                'incident' AS kind, incidents.id::text AS key, incidents.reason,
                CASE WHEN probing.id IS NULL THEN incidents.probe_at ELSE now() + %(probe_wait)s END AS until,
                incidents.probe_at <= now() AND probing.id IS NULL AS due
            FROM incidents
            LEFT JOIN jobs AS probing
                ON probing.id = incidents.probe_job_id
                AND probing.attempt = incidents.probe_attempt
                AND probing.state = 'running'
            WHERE incidents.connection_id = connections.id
                AND incidents.resolved_at IS NULL
                AND incidents.kind <> 'part'
            UNION ALL
            SELECT
                'breaker', breakers.scope, breakers.reason,
                CASE WHEN probing.id IS NULL THEN breakers.probe_at ELSE now() + %(probe_wait)s END,
                breakers.probe_at <= now() AND probing.id IS NULL
            FROM breakers
            LEFT JOIN jobs AS probing
                ON probing.id = breakers.probe_job_id
                AND probing.attempt = breakers.probe_attempt
                AND probing.state = 'running'
            WHERE breakers.scope IN ('connection:' || connections.id, 'provider:' || connections.provider)
                AND breakers.state <> 'closed'
            UNION ALL
            SELECT 'budget', '', budget_states.blocked_reason, budget_states.blocked_until, false
            FROM budget_states
            WHERE budget_states.connection_id = connections.id AND budget_states.blocked_until > now()
        ) AS obstacle
    ) AS obstacles
FROM connections
LEFT JOIN account_keys ON account_keys.account_id = connections.account_id
WHERE connections.id = %(connection_id)s AND connections.account_id = %(account_id)s
