DELETE FROM account_sessions WHERE digest = %(digest)s
