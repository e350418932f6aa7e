"""How the bytes of a stream go out: as they are, or deflated; what many streams are sent is deflated once for all.

A block of DEFLATE that ends in a full flush refers to nothing before it (RFC 1951), and so fits into any stream. The
checksum of a stream follows from those of its parts (RFC 1950, https://www.rfc-editor.org/rfc/rfc1950).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Protocol

#: Ten times as fast as the default, and a page still shrinks to a thirtieth.
_LEVEL = 1

#: A header that says: a window of 32 kB, the fastest level.
_BEGIN = b"\x78\x01"

#: An empty last block.
_LAST = b"\x03\x00"

#: The longest block that is stored as it is, in bytes.
_STORED = 0xFFFF

_ADLER_BASE = 65521


@dataclass(frozen=True, slots=True)
class Shared:
    """Bytes that go into many streams."""

    plain: bytes
    deflated: bytes
    checksum: int

    @classmethod
    def of(cls, plain: bytes) -> Shared:
        """Deflates them, here and never again."""
        squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        deflated = squeeze.compress(plain) + squeeze.flush(zlib.Z_FULL_FLUSH)
        return cls(plain, deflated, zlib.adler32(plain))


class Wire(Protocol):
    """One stream's encoding; what it returns is sent in the order in which it was asked for."""

    #: The name of it in `Content-Encoding`, None where there is none.
    name: str | None

    def begin(self) -> bytes:
        """What comes before all else."""

    def own(self, plain: bytes) -> bytes:
        """Some bytes of this stream alone."""

    def shared(self, piece: Shared) -> bytes:
        """Those of many streams."""

    def end(self) -> bytes:
        """What comes after all else."""


class Plain:
    """Bytes as they are."""

    name: str | None = None

    def begin(self) -> bytes:
        return b""

    def own(self, plain: bytes) -> bytes:
        return plain

    def shared(self, piece: Shared) -> bytes:
        return piece.plain

    def end(self) -> bytes:
        return b""


class Deflated:
    """A zlib stream, which HTTP calls deflate (https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1.2)."""

    name: str | None = "deflate"

    def __init__(self) -> None:
        self._checksum = zlib.adler32(b"")

    def begin(self) -> bytes:
        return _BEGIN

    def own(self, plain: bytes) -> bytes:
        """They are few: stored as they are, for a compressor would take longer to set up than to run."""
        self._checksum = zlib.adler32(plain, self._checksum)
        return b"".join(map(_stored, (plain[at : at + _STORED] for at in range(0, len(plain), _STORED))))

    def shared(self, piece: Shared) -> bytes:
        self._checksum = _joined(self._checksum, piece.checksum, len(piece.plain))
        return piece.deflated

    def end(self) -> bytes:
        return _LAST + self._checksum.to_bytes(4, "big")


def _stored(part: bytes) -> bytes:
    return struct.pack("<BHH", 0, len(part), len(part) ^ _STORED) + part


def _joined(first: int, second: int, length: int) -> int:
    """The Adler-32 of two texts, one after the other, from those of both and the length of the second."""
    low = (first & 0xFFFF) + (second & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + length * ((first & 0xFFFF) - 1)
    return (high % _ADLER_BASE) << 16 | low % _ADLER_BASE
