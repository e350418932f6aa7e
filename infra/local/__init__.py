"""The embedded stack: PostgreSQL, SQS, CalDAV and Retinue's own programs on one machine, for development and trial."""
