"""Customers' mailboxes, kept in step over IMAP (RFC 9051, RFC 3501).

values                          what the parts hand to one another; uid_sets: arithmetic on UIDs
imap/, connecting, oauth        the protocol, and a connection's signed-in session; server: one that is made anew
mime/                           messages read, and their identities
sync                            `email.sync`: folder_sync lists, mailbox_sync follows, pages fetches, compare proves
folders, follow, quirks         what a sync has to do, worked out without I/O
mailboxes, placements           what is stored of folders and of where messages lie; messages, threads: of themselves
onboarding, backfill            the first reading of a connection
watch                           `email.watch`: IDLE
"""
