DELETE FROM incident_mutes WHERE fingerprint = %(fingerprint)s RETURNING fingerprint
