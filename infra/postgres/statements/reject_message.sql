INSERT INTO dead_messages (type, body, reason) VALUES (%(type)s, %(body)s, %(reason)s) RETURNING id
