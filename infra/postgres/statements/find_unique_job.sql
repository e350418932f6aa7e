SELECT id FROM jobs WHERE type = %(type)s AND unique_key = %(unique_key)s
