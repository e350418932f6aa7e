WITH single AS MATERIALIZED (
    SELECT DISTINCT attendee.happens_at AS at, attendee.event_id AS id
    FROM calendar_attendees AS attendee
    CROSS JOIN LATERAL (
        -- What was called off does not take place.
        SELECT FROM calendar_instances AS instance
        WHERE instance.event_id = attendee.event_id AND instance.account_id = %(account_id)s
        LIMIT 1
    ) AS held
    WHERE attendee.contact_id = %(person_id)s AND attendee.account_id = %(account_id)s
        AND (attendee.happens_at, attendee.event_id) < (%(at)s, %(id)s)
    ORDER BY attendee.happens_at DESC, attendee.event_id DESC
    LIMIT %(limit)s
), series AS MATERIALIZED (
    SELECT DISTINCT attendee.event_id AS id
    FROM calendar_attendees AS attendee
    WHERE attendee.contact_id = %(person_id)s AND attendee.account_id = %(account_id)s
        AND attendee.happens_at IS NULL
), recurring AS MATERIALIZED (
    SELECT instance.at, series.id
    FROM series
    CROSS JOIN LATERAL (
        SELECT one.begins_at AS at
        FROM calendar_instances AS one
        WHERE one.event_id = series.id AND one.account_id = %(account_id)s
            AND (one.begins_at, one.event_id) < (%(at)s, %(id)s)
        ORDER BY one.begins_at DESC
        LIMIT %(limit)s
    ) AS instance
), page AS MATERIALIZED (
    SELECT at, id FROM single UNION ALL SELECT at, id FROM recurring
    ORDER BY at DESC, id DESC
    LIMIT %(limit)s
)
SELECT page.at, page.id, event.summary, event.all_day, own.organizes, own.attendees, own.reply
FROM page
CROSS JOIN LATERAL (
    SELECT one.summary, one.all_day FROM calendar_events AS one
    WHERE one.id = page.id AND one.account_id = %(account_id)s
    LIMIT 1
) AS event
CROSS JOIN LATERAL (
    SELECT
        coalesce(bool_or(attendee.contact_id = %(person_id)s AND attendee.role = 'organizer'), false) AS organizes,
        count(DISTINCT coalesce(attendee.contact_id, - attendee.position - 1))::int AS attendees,
        max(attendee.reply) FILTER (WHERE attendee.contact_id = %(person_id)s) AS reply
    FROM calendar_attendees AS attendee
    WHERE attendee.event_id = page.id AND attendee.account_id = %(account_id)s
) AS own
ORDER BY page.at DESC, page.id DESC
