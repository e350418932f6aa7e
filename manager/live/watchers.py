"""Open pages as the hub knows them, and what it has to tell them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from manager.live.regions import Fragment, Region
from manager.roles import Role


@dataclass(frozen=True, slots=True)
class Outage:
    """Why what is shown cannot be renewed, and since when it has not been."""

    message: str
    since: datetime


@dataclass(eq=False, slots=True)
class Watcher:
    """A stream: the regions of its page, and who looks, in which session.

    `known` are the digests of what the page has; `gone` says whether the page has been left.
    """

    known: dict[Region, str]
    role: Role
    who: str = ""
    session: bytes | None = None
    gone: Callable[[], bool] = lambda: False
    outage: Outage | None = None
    over: bool = False


@dataclass(slots=True)
class News:
    """What a stream has to tell. `over`: nothing more, for its session is not what it was."""

    fragments: Mapping[Region, Fragment]
    outage: Outage | None
    over: bool
