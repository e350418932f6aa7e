WITH told AS (
    SELECT
        *,
        CASE
            WHEN resolved_at IS NOT NULL THEN 'resolved'
            WHEN muted_at IS NOT NULL AND (muted_until IS NULL OR muted_until > now()) THEN 'muted'
            ELSE 'open'
        END AS state
    FROM anomalies
)
SELECT
    told.id, told.fingerprint, told.type, told.name, told.reason, told.state, told.first_seen_at, told.last_seen_at,
    told.seen, told.accounts, told.assigned_to, told.resolved_at, told.resolved_by, told.reopened_at, told.muted_at,
    told.muted_until, told.muted_by
FROM told
WHERE (%(id)s::bigint IS NULL OR told.id = %(id)s)
    AND (%(fingerprint)s::text IS NULL OR told.fingerprint = %(fingerprint)s)
    AND (%(states)s::text[] IS NULL OR told.state = ANY(%(states)s))
    AND (%(type)s::text IS NULL OR told.type = %(type)s)
    AND (
        %(account_id)s::bigint IS NULL
        OR EXISTS (
            SELECT FROM anomaly_accounts WHERE anomaly_id = told.id AND anomaly_accounts.account_id = %(account_id)s
        )
    )
    AND (
        %(before)s::timestamptz IS NULL OR (told.last_seen_at, told.id) < (%(before)s::timestamptz, %(before_id)s::bigint)
    )
ORDER BY told.last_seen_at DESC, told.id DESC
LIMIT %(limit)s
