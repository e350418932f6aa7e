UPDATE visits
SET state = 'ended', ended_at = expires_at
WHERE person_id = %(person_id)s AND state = 'open' AND expires_at <= now()
