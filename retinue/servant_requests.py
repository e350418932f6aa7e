"""What an operator may ask of one servant; it hears of it with its next heartbeat."""

from __future__ import annotations

from enum import StrEnum


class ServantRequest(StrEnum):
    """Drain: take nothing more, finish what runs, and stay at rest. Restart: drain with the usual grace, and leave."""

    DRAIN = "drain"
    RESTART = "restart"
