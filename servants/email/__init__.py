"""Customers' mailboxes, kept in step over IMAP (RFC 9051, RFC 3501).

values      what the parts hand to one another
"""
