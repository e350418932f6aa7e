UPDATE visits
SET state = 'ended', ended_at = coalesce(least(now(), expires_at), now())
WHERE (person_id = %(person_id)s OR account_id = %(account_id)s) AND state IN ('asked', 'granted', 'open')
