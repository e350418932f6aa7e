UPDATE calendar_objects
SET etag = NULL
FROM calendars
WHERE calendars.id = calendar_objects.calendar_id
    AND calendars.connection_id = %(connection_id)s
    AND calendar_objects.etag IS NOT NULL
