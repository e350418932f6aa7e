SELECT date_bin(make_interval(secs => %(step_seconds)s), starts_at, '2001-01-01 00:00:00+00') AS at, type, sum(calls)::bigint
FROM queue_calls
WHERE starts_at >= %(since)s AND starts_at < %(until)s
GROUP BY 1, type
ORDER BY 1, type
