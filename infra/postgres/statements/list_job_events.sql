SELECT
    at, attempt, from_state, to_state, reason, detail, (evidence ->> 'servant')::bigint AS servant_id,
    (evidence ->> 'ran')::float8 AS run_seconds, evidence IS NOT NULL AS has_evidence
FROM job_events
WHERE job_id = %(id)s
ORDER BY at, attempt
LIMIT %(limit)s
