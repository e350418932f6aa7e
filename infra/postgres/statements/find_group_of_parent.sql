SELECT id FROM job_groups WHERE parent_job_id = %(parent_job_id)s AND name = %(name)s
