INSERT INTO job_groups (account_id, name, parent_job_id, parent_group_id, on_failure, follow_up)
VALUES (%(account_id)s, %(name)s, %(parent_job_id)s, %(parent_group_id)s, %(on_failure)s, %(follow_up)s)
ON CONFLICT (parent_job_id, name) WHERE parent_job_id IS NOT NULL DO NOTHING
RETURNING id
