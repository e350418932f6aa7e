SELECT id FROM job_groups WHERE id = %(id)s FOR UPDATE
