CREATE TEMPORARY TABLE IF NOT EXISTS staged_records (
    external_id text COLLATE "C" NOT NULL,
    version bigint,
    content_hash bigint,
    payload text,
    deleted_at timestamptz
) ON COMMIT DELETE ROWS
