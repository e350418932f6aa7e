"""The term that somebody is writing, which is seldom whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

# What stands before the place: a minus, a field with its colon and operator, values with commas, and the last of them.
_WRITTEN = re.compile(
    r'(?P<minus>-?)(?:(?P<field>[A-Za-z_-]+):(?P<operator>~|>=|<=|>|<)?(?P<done>(?:(?:"[^"]*"|[^\s,"]*),)*))?'
    r'(?:"(?P<quoted>[^"]*)|(?P<bare>[^\s,"]*))$'
)
_REST = re.compile(r'[^\s,"]*"?')


@dataclass(frozen=True, slots=True)
class Unfinished:
    """From `start` to `end` stands what is being written; `before_value` is what of it comes before the last value."""

    start: int
    end: int
    minus: str
    field: str
    operator: str
    before_value: str
    value: str

    @property
    def has_field(self) -> bool:
        """Whether its field is written, so that a value comes next."""
        return bool(self.field)


def unfinished_term(text: str, place: int) -> Unfinished:
    """The term at this place of the text."""
    place = max(0, min(place, len(text)))
    found = _WRITTEN.search(text[:place])
    if found is None:
        return Unfinished(place, place, "", "", "", "", "")
    rest = _REST.match(text, place)
    value = found["quoted"] if found["quoted"] is not None else found["bare"]
    head = text[found.start() : place]
    before = head[: len(head) - len(value) - (found["quoted"] is not None)]
    return Unfinished(
        start=found.start(),
        end=place if rest is None else rest.end(),
        minus=found["minus"],
        field=(found["field"] or "").lower().replace("-", "_"),
        operator=found["operator"] or "",
        before_value=before,
        value=value,
    )
