"""How the paths of members are written, so that a member has one name, whichever way its server escapes it."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

#: The longest address of a calendar and path of a member; the rows' indexes hold little more.
MAX_BYTES = 2_000

#: How much of an address that is too long is told.
SHOWN_LENGTH = 100


def one_form(path: str) -> str:
    """The path with all escaped that may be; an escaped slash stays apart from a slash (RFC 3986 §2.2)."""
    return "/".join(quote(unquote_to_bytes(segment), safe="") for segment in path.split("/"))


def is_too_long(address: str) -> bool:
    """Whether no row can have this address."""
    return len(address.encode()) > MAX_BYTES
