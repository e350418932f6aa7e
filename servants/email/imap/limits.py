"""How long a server may take, and how much is asked of it at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a server may take, and how much is asked of it at once.

    `read_seconds` is for its silence, `reply_seconds` for one whole reply, however slowly it drips.
    """

    connect_seconds: float = 10
    read_seconds: float = 60
    reply_seconds: float = 300
    #: Messages, and their bytes, that one command asks for.
    batch_messages: int = 200
    batch_bytes: int = 4 * 1024 * 1024
    #: Larger messages are fetched in pieces of this size.
    piece_bytes: int = 1024 * 1024
    #: The longest header block: it names every recipient, and lists of ten thousand of them occur.
    header_bytes: int = 4 * 1024 * 1024
