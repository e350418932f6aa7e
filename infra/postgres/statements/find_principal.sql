SELECT
    bound.mode, bound.account_id, accounts.name, bound.expires_at,
    coalesce(members.id, visits.person_id, 0), coalesce(members.name, visits.person_name),
    coalesce(members.role, 'member'), bound.visit_id
FROM account_sessions AS bound
JOIN accounts ON accounts.id = bound.account_id AND accounts.erasing_at IS NULL
LEFT JOIN members ON members.id = bound.member_id AND members.disabled_at IS NULL
LEFT JOIN visits ON visits.id = bound.visit_id AND visits.state = 'open' AND visits.expires_at > now()
WHERE bound.digest = %(digest)s AND bound.expires_at > now() AND (members.id IS NOT NULL OR visits.id IS NOT NULL)
