SELECT FROM job_types WHERE type = %(type)s
