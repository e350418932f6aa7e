SELECT id FROM jobs WHERE type = %(type)s AND lane = %(lane)s AND state = 'running'
