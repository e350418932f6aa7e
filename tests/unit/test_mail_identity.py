"""A message's identity: the same wherever it lies, another for every other message."""

from __future__ import annotations

import pytest

from servants.email.mime import identity

_HEADER = b"From: a@example.com\r\nSubject: Hi\r\n there\r\nMessage-ID: <a@x>\r\n\r\n"
_OWN = identity(_HEADER, 100)


@pytest.mark.parametrize(
    "header",
    [
        _HEADER.rstrip(),
        _HEADER.replace(b"\r\n", b"\n"),
        b"Status: RO\r\n" + _HEADER,
        b"X-Status: A\r\nX-Keywords: a b\r\n\tc\r\nX-UID: 17\r\n" + _HEADER,
        _HEADER.rstrip() + b"\r\nX-Mozilla-Status: 0001\r\nX-Mozilla-Status2: 00000000\r\nX-Mozilla-Keys:   \r\n\r\n",
        _HEADER.rstrip() + b"\r\nSTATUS : RO",
        _HEADER.replace(b"Message-ID", b"x-uid: 3\r\n  4\r\nMessage-ID"),
    ],
)
def test_what_servers_rewrite_does_not_count(header: bytes) -> None:
    assert identity(header, 100) == _OWN


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (_HEADER, 101),
        (_HEADER.replace(b"Hi", b"Ho"), 100),
        (_HEADER + b"X-Status-Code: 1\r\n", 100),
        (_HEADER.rstrip() + b"\r\nX-Statuses: 1\r\n", 100),
        (_HEADER.rstrip() + b"\r\nSubject: Status: 1\r\n", 100),
        (b"", 100),
    ],
)
def test_all_else_counts(header: bytes, size: int) -> None:
    assert identity(header, size) != _OWN


def test_it_is_a_sha256() -> None:
    assert len(bytes.fromhex(_OWN)) == 32
