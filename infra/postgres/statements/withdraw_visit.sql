UPDATE visits
SET state = 'ended', ended_at = now()
WHERE person_id = %(person_id)s AND account_id = %(account_id)s AND state = 'asked'
