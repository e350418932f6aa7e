WITH taken AS (
    DELETE FROM invitations WHERE digest = %(digest)s AND expires_at > now() RETURNING member_id
)
UPDATE members SET password_hash = %(password_hash)s, joined_at = coalesce(members.joined_at, now())
FROM taken
WHERE members.id = taken.member_id AND members.disabled_at IS NULL
RETURNING members.account_id, members.id
