"""Which message a message is, and which it answers (RFC 5322 §3.6.4)."""

from __future__ import annotations

import re

from servants.email.mime.notes import Notes
from servants.email.mime.words import decode_words

#: References that are kept: the first ones lead to a thread's beginning, the last ones to its end.
FIRST_REFERENCES = 20
LAST_REFERENCES = 180
#: The longest ID, in characters; more of one is cut off, wherever it stands.
LONGEST = 500

_BRACKETED = re.compile(r"<([^<>]+)>")
_BETWEEN = re.compile(r"[\s<>,;\"'()]+")
_SPACE = re.compile(r"\s+")


def message_ids(value: bytes | None, notes: Notes) -> tuple[str, ...]:
    """The IDs in a field, each once, without their angle brackets and without the white space of folding."""
    if not value:
        return ()
    text = decode_words(value, notes)
    found = _BRACKETED.findall(text) or [word for word in _BETWEEN.split(text) if "@" in word]
    return tuple(dict.fromkeys(cut for written in found if (cut := _SPACE.sub("", written)[:LONGEST])))


def message_id(value: bytes | None, notes: Notes) -> str | None:
    """A message's own ID; one that is not of the form `<left@right>` is taken as it is."""
    if not value:
        return None
    found = message_ids(value, notes)
    return found[0] if found else _SPACE.sub("", decode_words(value, notes).strip("<>"))[:LONGEST] or None


def references(values: list[bytes], notes: Notes) -> tuple[str, ...]:
    """The messages that this one follows, oldest first; out of the midst of a very long list some are left out."""
    found = message_ids(b" ".join(values), notes)
    if len(found) <= FIRST_REFERENCES + LAST_REFERENCES:
        return found
    return found[:FIRST_REFERENCES] + found[-LAST_REFERENCES:]
