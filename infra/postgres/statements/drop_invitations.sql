DELETE FROM invitations WHERE member_id = %(member_id)s OR expires_at < now()
