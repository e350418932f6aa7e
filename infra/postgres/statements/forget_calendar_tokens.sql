UPDATE calendars
SET sync_token = NULL, ctag = NULL
WHERE connection_id = %(connection_id)s AND (sync_token IS NOT NULL OR ctag IS NOT NULL)
