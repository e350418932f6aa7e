SELECT id, type, lane, account_id, traceparent, greatest(run_at, created_at), queued_at
FROM jobs
WHERE id = ANY(%(ids)s::bigint[]) AND traceparent IS NOT NULL AND queued_at IS NOT NULL
