INSERT INTO incidents (account_id, connection_id, kind, reason, fingerprint, job_id, probe_at)
SELECT
    connections.account_id, connections.id, %(kind)s, %(reason)s, %(fingerprint)s, %(job_id)s,
    CASE
        -- The credentials were changed while this job ran with the old ones: they are looked at at once.
        WHEN connections.updated_at > jobs.claimed_at THEN now()
        ELSE now() + make_interval(secs => %(first_probe_seconds)s)
    END
FROM connections
LEFT JOIN jobs ON jobs.id = %(job_id)s
WHERE connections.id = %(connection_id)s
ON CONFLICT (connection_id, kind) WHERE resolved_at IS NULL DO UPDATE
SET probes = incidents.probes + 1,
    probe_error = excluded.reason,
    probe_at = now() + make_interval(
        secs => least(%(first_probe_seconds)s * power(2, least(incidents.probes, 20)), %(longest_probe_seconds)s)
    ),
    probe_job_id = NULL,
    probe_attempt = NULL
-- Only a probe's failure says anything new.
WHERE incidents.probe_job_id = %(job_id)s AND incidents.probe_attempt = %(attempt)s
RETURNING id, probes
