"""What a case of the corpus of mail is, and how its bytes are put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: A case that says nothing of its problem.
ANYTHING = "anything"


@dataclass(frozen=True)
class MailCase:
    """A message and what is to be read from it.

    `expected`: values of attributes of `ParsedMessage`; `problem`: words that its problem holds, None for a message in
    which nothing is wrong, ANYTHING where the case is only to be survived.
    """

    name: str
    data: bytes = field(repr=False)
    expected: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None


def mail(*fields: str | bytes, body: str | bytes = "Hello.\r\n") -> bytes:
    """A message of these header lines and this body."""
    return b"".join(as_bytes(line) + b"\r\n" for line in fields) + b"\r\n" + as_bytes(body)


def multipart(
    kind: str, *parts: bytes, boundary: str = "frontier", end: bool = True, fields: tuple[str, ...] = ()
) -> bytes:
    """A multipart message, or part; each part is its header lines, an empty line and its body."""
    head = as_bytes(f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n')
    mark = as_bytes(f"--{boundary}")
    extra = b"".join(as_bytes(line) + b"\r\n" for line in fields)
    body = b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts)
    return extra + head + b"\r\n" + body + (mark + b"--\r\n" if end else b"")


def part(content_type: str, body: str | bytes, *fields: str | bytes) -> bytes:
    """A part of a multipart."""
    return mail(f"Content-Type: {content_type}", *fields, body=body)


def as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
