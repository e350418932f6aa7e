INSERT INTO incident_mutes AS muted (fingerprint, muted_until, muted_by)
VALUES (%(fingerprint)s, %(until)s, %(by)s)
ON CONFLICT (fingerprint) DO UPDATE
SET muted_at = now(), muted_until = excluded.muted_until, muted_by = excluded.muted_by
