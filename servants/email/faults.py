"""What can go wrong in following a mailbox, as the framework's errors."""

from __future__ import annotations

from retinue.errors import PermanentError, TransientError


class SuspiciousEmptiness(TransientError):
    """The server lists nothing where much is known; it is believed if it says the same the next time."""

    provider_failed = False


class StaleRange(PermanentError):
    """The mailbox is gone or has new UIDs: those that were asked for mean nothing any more."""
