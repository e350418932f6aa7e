SELECT id FROM job_groups WHERE follow_up_job_id = %(job_id)s
