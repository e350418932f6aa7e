UPDATE schedules SET state = 'paused' WHERE id = %(id)s RETURNING id
