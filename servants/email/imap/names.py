"""Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3), or UTF-8 once that is enabled (RFC 6855 §3)."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error

_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


def decode_name(raw: bytes, *, utf8: bool = False) -> str:
    """The name for people. What is neither encoding stays as it came, because servers do list such names.

    `INBOX` is the same in any case (RFC 9051 §5.1).
    """
    if raw.upper() == b"INBOX":
        return "INBOX"
    if not utf8 and raw.isascii():
        try:
            name = _SHIFTED.sub(lambda shifted: _unshift(shifted[1]).encode(), raw).decode()
        except (Base64Error, ValueError):
            return raw.decode()
        return name if encode_name(name) == raw else raw.decode()
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def encode_name(name: str, *, utf8: bool = False) -> bytes:
    """The name for the server."""
    if utf8:
        return name.encode()
    return _UNPRINTABLE.sub(lambda run: _shift(run[0]), name.replace("&", "&-")).encode()


def _unshift(base64: bytes) -> str:
    if not base64:
        return "&"
    padded = base64.replace(b",", b"/") + b"=" * (-len(base64) % 4)
    return b64decode(padded, validate=True).decode("utf-16-be")


def _shift(run: str) -> str:
    return f"&{b64encode(run.encode('utf-16-be')).decode().rstrip('=').replace('/', ',')}-"
