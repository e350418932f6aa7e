-- 0 is no UIDVALIDITY: whatever the next sync finds there, it recognises every message by its headers.
UPDATE mailboxes
SET uid_validity = 0, uid_next = NULL, highest_modseq = NULL, object_id = NULL
WHERE connection_id = %(connection_id)s AND uid_validity IS NOT NULL AND deleted_at IS NULL
