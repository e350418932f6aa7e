INSERT INTO anomaly_sightings (fingerprint, family, type, name, reason, account_id, connection_id, job_id, seen, sample)
SELECT *
FROM unnest(
    %(fingerprints)s::text[], %(families)s::text[], %(types)s::text[], %(names)s::text[], %(reasons)s::text[],
    %(account_ids)s::bigint[], %(connection_ids)s::bigint[], %(job_ids)s::bigint[], %(seen)s::bigint[],
    %(samples)s::jsonb[]
)
