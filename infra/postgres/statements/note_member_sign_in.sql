UPDATE members SET signed_in_at = now() WHERE id = %(id)s
