"""Customers' calendars, kept in step over CalDAV (RFC 4791) with sync-collection (RFC 6578).

client         one server: requests, redirects, limits, errors
multistatus    the server's XML, read as it arrives
discovery      from an address to its calendars
addresses      how paths are written, and which are too long
reports        what changed in a calendar, and the bodies of its events
events         iCalendar text as typed rows; `values` and `zones` are its words, `zone_rules` refuses zones
reading        the same text as a series, which `series` describes
rules          one recurrence rule, and in `occurrences` the times it gives
recurrences    what takes place of a series
plan           what to write and delete, without touching anything
store          the statements; `event_store`, `instances` and `attendees` have those of what is in an object
follow         one calendar brought in step
first_reading  how far a new connection is
sync           the servant
probe          what `retinue connections test` tells
"""

from servants.calendar.sync import CalendarSync, sync_calendar

__all__ = ["CalendarSync", "sync_calendar"]
