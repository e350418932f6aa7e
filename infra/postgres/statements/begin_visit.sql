UPDATE visits
SET state = 'open', began_at = now(), expires_at = now() + interval '30 minutes'
FROM accounts
WHERE visits.id = %(id)s
    AND accounts.id = visits.account_id
    AND (visits.state = 'granted' OR visits.state = 'asked' AND accounts.assume_policy = 'allowed')
    AND accounts.assume_policy <> 'off'
    AND visits.asked_at > now() - make_interval(hours => %(hours)s)
RETURNING visits.id
