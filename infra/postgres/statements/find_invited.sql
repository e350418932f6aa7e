SELECT
    members.id, members.account_id, members.email, members.name, members.role, members.invited_by,
    members.created_at, members.joined_at, members.signed_in_at, members.disabled_at
FROM invitations
JOIN members ON members.id = invitations.member_id
JOIN accounts ON accounts.id = members.account_id AND accounts.erasing_at IS NULL
WHERE invitations.digest = %(digest)s AND invitations.expires_at > now() AND members.disabled_at IS NULL
