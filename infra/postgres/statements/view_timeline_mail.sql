WITH page AS MATERIALIZED (
    SELECT DISTINCT part.dated_at AS at, part.message_id AS id
    FROM message_participants AS part
    CROSS JOIN LATERAL (
        SELECT FROM mail_messages AS message
        WHERE message.id = part.message_id AND message.deleted_at IS NULL
            AND message.account_id = %(account_id)s
        LIMIT 1
    ) AS live
    WHERE part.contact_id = %(person_id)s AND part.account_id = %(account_id)s
        AND (part.dated_at, part.message_id) < (%(at)s, %(id)s)
    ORDER BY part.dated_at DESC, part.message_id DESC
    LIMIT %(limit)s
)
SELECT page.at, page.id, message.subject, own.wrote, own.participants, own.attachments
FROM page
CROSS JOIN LATERAL (
    SELECT one.subject FROM mail_messages AS one
    WHERE one.id = page.id AND one.account_id = %(account_id)s
    LIMIT 1
) AS message
CROSS JOIN LATERAL (
    SELECT
        coalesce(bool_or(part.contact_id = %(person_id)s AND part.role IN ('from', 'sender')), false) AS wrote,
        count(DISTINCT coalesce(part.contact_id, - part.position - 1))::int AS participants,
        EXISTS (
            SELECT FROM message_attachments AS attachment
            WHERE attachment.message_id = page.id AND NOT attachment.inline
                AND attachment.account_id = %(account_id)s
        ) AS attachments
    FROM message_participants AS part
    WHERE part.message_id = page.id AND part.account_id = %(account_id)s
) AS own
ORDER BY page.at DESC, page.id DESC
