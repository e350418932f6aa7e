UPDATE visits SET state = 'ended', ended_at = least(now(), expires_at) WHERE id = %(id)s AND state = 'open'
