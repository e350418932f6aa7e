"""Customers' calendars, kept in step over CalDAV (RFC 4791) with sync-collection (RFC 6578).

client        one server: requests, redirects, limits, errors
multistatus   the server's XML, read as it arrives
discovery     from an address to its calendars
reports       what changed in a calendar, and the bodies of its events
events        iCalendar text as typed rows
plan          what to write and delete, without touching anything
store         the statements
sync          the servant
probe         what `retinue connections test` tells
"""

from servants.calendar.sync import CalendarSync, sync_calendar

__all__ = ["CalendarSync", "sync_calendar"]
