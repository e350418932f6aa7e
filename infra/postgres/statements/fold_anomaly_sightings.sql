WITH first AS MATERIALIZED (
    SELECT id FROM anomaly_sightings ORDER BY id LIMIT %(limit)s
), taken AS (
    DELETE FROM anomaly_sightings WHERE id = ANY(ARRAY(SELECT id FROM first)) RETURNING *
), kept AS MATERIALIZED (
    -- Those of an account that was deleted meanwhile are of no interest any more.
    SELECT taken.*, known.id IS NULL AS new
    FROM taken
    LEFT JOIN anomalies AS known ON known.fingerprint = taken.fingerprint
    WHERE taken.account_id IS NULL
        OR EXISTS (SELECT FROM accounts WHERE accounts.id = taken.account_id)
), crowd AS MATERIALIZED (
    SELECT type, name, count(*) AS fingerprints FROM anomalies GROUP BY type, name
), told AS MATERIALIZED (
    -- Of one name so many are told apart and no more: beyond, a new one counts with its family.
    SELECT
        kept.*,
        kept.new AND coalesce(crowd.fingerprints, 0) + dense_rank() OVER (
            PARTITION BY kept.type, kept.name, kept.new ORDER BY kept.fingerprint
        ) > %(most)s AS crowded
    FROM kept
    LEFT JOIN crowd ON crowd.type = kept.type AND crowd.name = kept.name
), named AS MATERIALIZED (
    SELECT
        told.id, told.type, told.name, told.account_id, told.connection_id, told.job_id, told.seen, told.sample,
        told.seen_at,
        CASE WHEN told.crowded THEN told.family ELSE told.fingerprint END AS fingerprint,
        CASE WHEN told.crowded THEN '' ELSE told.reason END AS reason
    FROM told
), folded AS (
    INSERT INTO anomalies AS held (fingerprint, type, name, reason, first_seen_at, last_seen_at, seen)
    SELECT fingerprint, min(type), min(name), min(reason), min(seen_at), max(seen_at), sum(seen)
    FROM named
    GROUP BY fingerprint
    ORDER BY fingerprint
    ON CONFLICT (fingerprint) DO UPDATE
    SET first_seen_at = least(held.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(held.last_seen_at, excluded.last_seen_at),
        seen = held.seen + excluded.seen,
        -- Seen again since somebody resolved it.
        reopened_at = CASE
            WHEN held.resolved_at < excluded.last_seen_at THEN excluded.last_seen_at ELSE held.reopened_at
        END,
        resolved_at = CASE WHEN held.resolved_at < excluded.last_seen_at THEN NULL ELSE held.resolved_at END,
        resolved_by = CASE WHEN held.resolved_at < excluded.last_seen_at THEN NULL ELSE held.resolved_by END
    RETURNING held.id, held.fingerprint
), shared AS (
    INSERT INTO anomaly_accounts AS held
        (anomaly_id, account_id, first_seen_at, last_seen_at, seen, connection_id, job_id, sample)
    SELECT
        folded.id, named.account_id, min(named.seen_at), max(named.seen_at), sum(named.seen),
        (array_agg(named.connection_id ORDER BY named.id DESC))[1],
        (array_agg(named.job_id ORDER BY named.id DESC))[1],
        (array_agg(named.sample ORDER BY named.id DESC))[1]
    FROM named
    JOIN folded ON folded.fingerprint = named.fingerprint
    GROUP BY folded.id, named.account_id
    ON CONFLICT (anomaly_id, account_id) DO UPDATE
    SET first_seen_at = least(held.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(held.last_seen_at, excluded.last_seen_at),
        seen = held.seen + excluded.seen,
        connection_id = excluded.connection_id,
        job_id = excluded.job_id,
        sample = excluded.sample
)
SELECT count(*) FROM taken
