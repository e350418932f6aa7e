"""What time it is in the org."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

STAMP_FORMAT = "%Y-%m-%dT%H:%M:%S.000+0000"


class Clock:
    """The machine's clock, moved forward by as much as a test asks."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self._lock = threading.Lock()
        self._ahead = ahead

    @property
    def offset(self) -> timedelta:
        """How far ahead of the machine's clock the org is."""
        return self._ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, span: timedelta) -> datetime:
        """Go forward; the new time.

        Raises:
            ValueError: the span is negative. Stamps must never go back.
        """
        if span < timedelta():
            raise ValueError("The org's clock only goes forward.")
        with self._lock:
            self._ahead += span
        return self.now()

    def set(self, moment: datetime) -> datetime:
        """Go forward to a moment; the new time.

        Raises:
            ValueError: the moment has passed.
        """
        return self.advance(moment - self.now())


def whole_second(moment: datetime) -> datetime:
    """The second a moment lies in: stamps are no finer ("SystemModstamp" in System Fields)."""
    return moment.astimezone(UTC).replace(microsecond=0)


def stamp(moment: datetime) -> str:
    """A moment as it is stored and as JSON shows it: whole seconds, UTC, of one width, so it sorts as text."""
    return moment.astimezone(UTC).strftime(STAMP_FORMAT)


def parse_stamp(text: str) -> datetime:
    """The moment that `stamp` wrote.

    Raises:
        ValueError: it is no such text.
    """
    return datetime.strptime(text, STAMP_FORMAT).replace(tzinfo=UTC)
