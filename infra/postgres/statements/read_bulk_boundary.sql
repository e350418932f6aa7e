SELECT jobs_id_seq.last_value, now() FROM jobs_id_seq
