WITH unsighted AS MATERIALIZED (
    SELECT record.external_id, record.ctid AS place, record.version
    FROM records AS record
    WHERE record.connection_id = %(connection_id)s AND record.kind = %(kind)s AND record.deleted_at IS NULL
        AND record.observed_at < %(began_at)s
        AND NOT EXISTS (
            SELECT FROM record_sightings AS sighting
            WHERE sighting.generation = %(generation)s AND sighting.external_id = record.external_id
        )
    LIMIT %(limit)s
), deleted AS (
    UPDATE records AS record
    SET deleted_at = %(began_at)s, absent = true, observed_at = %(began_at)s, changed_at = statement_timestamp()
    FROM unsighted
    WHERE record.ctid = unsighted.place
), noted AS (
    INSERT INTO record_changes (account_id, position, at, connection_id, kind, external_id, change, version)
    SELECT %(account_id)s,
        coalesce((SELECT feed.position FROM record_feeds AS feed WHERE feed.account_id = %(account_id)s), 0)
            + row_number() OVER (ORDER BY external_id),
        statement_timestamp(), %(connection_id)s, %(kind)s, external_id, 'deleted', version
    FROM unsighted
    ORDER BY external_id
), counted AS (
    UPDATE record_counts
    SET live = record_counts.live - told.gone
    FROM (SELECT count(*) AS gone FROM unsighted) AS told
    WHERE record_counts.connection_id = %(connection_id)s AND record_counts.kind = %(kind)s AND told.gone > 0
), fed AS (
    INSERT INTO record_feeds AS feed (account_id, position)
    SELECT %(account_id)s, count(*) FROM unsighted HAVING count(*) > 0
    ON CONFLICT (account_id) DO UPDATE SET position = feed.position + excluded.position
)
SELECT count(*) FROM unsighted
