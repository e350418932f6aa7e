SELECT
    accounts.id AS account_id, accounts.name AS account_name, waiting.pending, waiting.lanes, waiting.held,
    waiting.next_due_at
FROM (
    SELECT
        coalesce(named.id, connections.account_id) AS account_id,
        sum(lane.pending)::bigint AS pending,
        sum(lane.lanes)::int AS lanes,
        sum(lane.held)::int AS held,
        min(lane.next_due_at) AS next_due_at
    FROM (
        -- Several types have the same lanes, and names cost more to look up than numbers to add.
        SELECT
            lanes.lane,
            sum(lanes.pending) AS pending,
            count(*) AS lanes,
            count(*) FILTER (WHERE lanes.held_until > now()) AS held,
            min(lanes.due_at) AS next_due_at
        FROM lanes
        WHERE lanes.pending > 0 AND (%(type)s::text IS NULL OR lanes.type = %(type)s)
        GROUP BY lanes.lane
    ) AS lane
    LEFT JOIN accounts AS named ON lane.lane = ('account:' || named.id) COLLATE "C"
    LEFT JOIN connections ON lane.lane = ('connection_id:' || connections.id) COLLATE "C"
    GROUP BY 1
) AS waiting
LEFT JOIN accounts ON accounts.id = waiting.account_id
ORDER BY waiting.pending DESC, accounts.id
LIMIT %(limit)s
