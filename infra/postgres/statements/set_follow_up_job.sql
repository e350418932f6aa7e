UPDATE job_groups SET follow_up_job_id = %(job_id)s WHERE id = %(id)s
