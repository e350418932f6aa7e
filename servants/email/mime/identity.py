"""What tells whether two placements hold the same message."""

from __future__ import annotations

import hashlib
import re

#: Fields that servers write into a message they keep, with their continuation lines.
_SERVER_FIELDS = re.compile(
    rb"^(?:status|x-status|x-keywords|x-uid|x-mozilla-[^:\n]*)[ \t]*:[^\n]*\n?(?:[ \t][^\n]*\n?)*",
    re.IGNORECASE | re.MULTILINE,
)


def identity(header: bytes, size: int) -> str:
    """A message's identity: 64 hexadecimal digits.

    `header` is its header block as fetched (`BODY.PEEK[HEADER]`), with or without the empty line that ends it; `size`
    is its RFC822.SIZE. Fields that servers rewrite (Status, X-Status, X-Keywords, X-UID, X-Mozilla-*) do not count, nor
    does how lines end.
    """
    own = _SERVER_FIELDS.sub(b"", header.replace(b"\r\n", b"\n")).strip(b"\n")
    return hashlib.sha256(b"%d\n%b" % (size, own)).hexdigest()
