SELECT
    visits.id, visits.account_id, accounts.name AS account_name, visits.person_id, visits.person_name,
    visits.reason, visits.ticket_url,
    -- What has run out is over, whether or not somebody has written it down.
    CASE WHEN visits.state = 'open' AND visits.expires_at <= now() THEN 'ended' ELSE visits.state END AS state,
    visits.asked_at, visits.decided_at, visits.decided_by, visits.began_at, visits.expires_at,
    coalesce(visits.ended_at, CASE WHEN visits.expires_at <= now() THEN visits.expires_at END) AS ended_at,
    visits.unmasked
FROM visits
JOIN accounts ON accounts.id = visits.account_id
WHERE (%(id)s::bigint IS NULL OR visits.id = %(id)s)
    AND (%(account_id)s::bigint IS NULL OR visits.account_id = %(account_id)s)
    AND (%(person_id)s::bigint IS NULL OR visits.person_id = %(person_id)s)
    AND (%(before)s::bigint IS NULL OR visits.id < %(before)s)
    AND (
        NOT %(unended)s
        OR visits.state IN ('asked', 'granted') AND visits.asked_at > now() - interval '24 hours'
        OR visits.state = 'open' AND visits.expires_at > now()
    )
ORDER BY visits.id DESC
LIMIT %(limit)s
