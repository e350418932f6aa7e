SELECT id FROM job_groups WHERE parent_job_id = %(id)s ORDER BY id LIMIT %(limit)s
