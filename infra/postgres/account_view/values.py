"""Values of synced records as Python has them: what cannot be read is None, as a masked value is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

#: What stands in the place of a text that support may not see.
MASKED = "•••"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def amount_of(written: str | None) -> Decimal | None:
    """A sum of money; None where there is none, it is masked, or is no number."""
    try:
        found = Decimal(written or "")
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def moment_of(written: str | None) -> datetime | None:
    """A day, at its first moment in UTC, or a moment, as Salesforce writes them."""
    try:
        found = datetime.fromisoformat(written or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def moment_of_version(version: int | None) -> datetime | None:
    """When the provider last changed a record whose version is microseconds; None where that cannot be told."""
    try:
        return None if version is None else _EPOCH + timedelta(microseconds=version)
    except OverflowError:
        return None
