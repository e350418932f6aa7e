WITH latest AS MATERIALIZED (
    -- Of what one reading tells of a record twice, the newest.
    SELECT DISTINCT ON (external_id) external_id, version, content_hash, deleted_at, ctid AS place
    FROM pg_temp.staged_records
    ORDER BY external_id, version DESC NULLS LAST, ctid DESC
), judged AS MATERIALIZED (
    SELECT latest.external_id, latest.place, latest.content_hash, latest.deleted_at,
        coalesce(latest.version, stored.version, 0) AS version,
        latest.deleted_at IS NOT NULL AND latest.version IS NULL AS absent,
        stored.place AS stored_place,
        CASE
            WHEN latest.deleted_at IS NOT NULL THEN CASE WHEN stored.live THEN 'deleted' END
            WHEN stored.live IS NOT TRUE THEN 'added'
            WHEN latest.content_hash <> stored.content_hash THEN 'updated'
        END AS change
    FROM latest
    -- Kept whole by OFFSET 0, so that each record is looked up by its key, however many there are.
    LEFT JOIN LATERAL (
        SELECT record.ctid AS place, record.version, record.observed_at, record.content_hash,
            record.deleted_at IS NULL AS live, record.absent
        FROM records AS record
        WHERE record.connection_id = %(connection_id)s AND record.kind = %(kind)s
            AND record.external_id = latest.external_id
        OFFSET 0
    ) AS stored ON true
    WHERE stored.place IS NULL
        OR (
            -- It differs,
            (
                latest.content_hash <> stored.content_hash OR latest.version > stored.version
                OR (latest.deleted_at IS NULL) <> stored.live
                OR %(mend)s AND latest.version <> stored.version
                -- One that is deleted already is absent, too, so that nothing seen before that brings it back.
                OR latest.deleted_at IS NOT NULL AND latest.version IS NULL
                    AND (NOT stored.absent OR %(observed_at)s > stored.observed_at)
            )
            -- and is newer.
            AND (
                latest.version > stored.version AND NOT (stored.absent AND %(observed_at)s < stored.observed_at)
                OR (coalesce(latest.version, stored.version) = stored.version OR %(mend)s)
                    AND %(observed_at)s >= stored.observed_at
            )
        )
), added AS (
    INSERT INTO records
        (connection_id, kind, external_id, account_id, version, observed_at, content_hash, payload, deleted_at, absent,
        changed_at)
    SELECT %(connection_id)s, %(kind)s, judged.external_id, %(account_id)s, judged.version, %(observed_at)s,
        coalesce(judged.content_hash, 0), coalesce(staged.payload, '{}')::jsonb, judged.deleted_at,
        judged.absent, statement_timestamp()
    FROM judged
    CROSS JOIN LATERAL (
        SELECT line.payload FROM pg_temp.staged_records AS line WHERE line.ctid = judged.place OFFSET 0
    ) AS staged
    WHERE judged.stored_place IS NULL
), changed AS (
    UPDATE records AS record
    SET version = judged.version, observed_at = %(observed_at)s, deleted_at = judged.deleted_at,
        absent = judged.absent,
        content_hash = coalesce(judged.content_hash, record.content_hash),
        payload = coalesce(staged.payload::jsonb, record.payload),
        changed_at = statement_timestamp()
    FROM judged
    CROSS JOIN LATERAL (
        SELECT line.payload FROM pg_temp.staged_records AS line WHERE line.ctid = judged.place OFFSET 0
    ) AS staged
    WHERE record.ctid = judged.stored_place
), noted AS (
    INSERT INTO record_changes
        (account_id, position, at, connection_id, kind, external_id, change, version, before)
    SELECT %(account_id)s,
        coalesce((SELECT feed.position FROM record_feeds AS feed WHERE feed.account_id = %(account_id)s), 0)
            + row_number() OVER (ORDER BY judged.external_id),
        statement_timestamp(), %(connection_id)s, %(kind)s, judged.external_id, judged.change, judged.version,
        CASE WHEN judged.change = 'updated' THEN (
            SELECT coalesce(jsonb_object_agg(coalesce(was.key, fresh.key), was.value), '{}')
            FROM jsonb_each((SELECT record.payload FROM records AS record WHERE record.ctid = judged.stored_place)) AS was
            FULL JOIN jsonb_each(
                (SELECT line.payload::jsonb FROM pg_temp.staged_records AS line WHERE line.ctid = judged.place)
            ) AS fresh ON fresh.key = was.key
            WHERE was.value IS DISTINCT FROM fresh.value
        ) END
    FROM judged
    WHERE judged.change IS NOT NULL
    ORDER BY judged.external_id
), fed AS (
    INSERT INTO record_feeds AS feed (account_id, position)
    SELECT %(account_id)s, count(*) FROM judged WHERE change IS NOT NULL HAVING count(*) > 0
    ON CONFLICT (account_id) DO UPDATE SET position = feed.position + excluded.position
), balance AS MATERIALIZED (
    SELECT count(*) FILTER (WHERE change = 'added') - count(*) FILTER (WHERE change = 'deleted') AS more FROM judged
), counted AS (
    INSERT INTO record_counts AS counts (connection_id, kind, account_id, live)
    -- Checked before it is known that there is a row already: never below nothing.
    SELECT %(connection_id)s, %(kind)s, %(account_id)s, greatest(more, 0) FROM balance WHERE more <> 0
    ON CONFLICT (connection_id, kind) DO UPDATE SET live = counts.live + (SELECT more FROM balance)
), sighted AS (
    INSERT INTO record_sightings (generation, external_id, account_id)
    SELECT %(generation)s::bigint, latest.external_id, %(account_id)s FROM latest
    WHERE %(generation)s::bigint IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT count(*) FILTER (WHERE change = 'added'), count(*) FILTER (WHERE change = 'updated'),
    count(*) FILTER (WHERE change = 'deleted'), (SELECT count(*) FROM latest)
FROM judged
