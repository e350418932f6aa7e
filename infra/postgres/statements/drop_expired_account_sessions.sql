DELETE FROM account_sessions WHERE expires_at < now()
