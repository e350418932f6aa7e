SELECT
    type,
    sum(calls)::bigint AS calls,
    coalesce(sum(calls) FILTER (WHERE action = 'ReceiveMessage'), 0)::bigint AS receives,
    coalesce(sum(calls) FILTER (WHERE action LIKE 'SendMessage%%'), 0)::bigint AS sends,
    coalesce(sum(calls) FILTER (WHERE action LIKE 'DeleteMessage%%'), 0)::bigint AS deletes
FROM queue_calls
WHERE starts_at >= %(since)s AND starts_at < %(until)s
GROUP BY type
ORDER BY calls DESC, type
