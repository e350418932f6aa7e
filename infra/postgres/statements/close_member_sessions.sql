DELETE FROM account_sessions WHERE member_id = %(id)s
