"""What marks incidents and anomalies: who sees to it, until when it is muted, a note."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from infra.postgres.accounts import MAX_NAME_LENGTH
from infra.postgres.trouble_notes import MAX_NOTE
from manager.api.shapes import Asked, Moment, Word


class Assignee(Asked):
    """Who sees to it; null is nobody."""

    to: Annotated[Word, Field(max_length=MAX_NAME_LENGTH)] | None


class Mute(Asked):
    """Until when it is muted; null, or nothing, is until somebody ends it."""

    until: Moment | None = None

    @property
    def told(self) -> str | None:
        """As it is written down."""
        return None if self.until is None else self.until.isoformat()


class NewNote(Asked):
    """A note."""

    text: str = Field(min_length=1, max_length=MAX_NOTE)
