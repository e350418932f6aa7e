WITH returned AS (
    DELETE FROM budget_leases
    WHERE connection_id = %(connection_id)s AND servant_id = %(servant_id)s AND %(calls)s::int = 0 AND %(places)s::int = 0
)
INSERT INTO budget_leases (connection_id, servant_id, calls, places, used_total, expires_at)
SELECT
    %(connection_id)s, %(servant_id)s, %(calls)s, %(places)s, %(used_total)s,
    now() + make_interval(secs => %(lease_seconds)s)
WHERE %(calls)s::int > 0 OR %(places)s::int > 0
ON CONFLICT (connection_id, servant_id) DO UPDATE
SET calls = excluded.calls,
    places = excluded.places,
    used_total = excluded.used_total,
    expires_at = excluded.expires_at
