UPDATE accounts SET erasing_at = coalesce(erasing_at, now()) WHERE id = %(account_id)s RETURNING name
