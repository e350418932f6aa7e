"""What goes to and fro between a test and the control of the sandbox org."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

FaultKind = Literal["answer", "slow", "cut", "garbage", "login_page"]

Row = Mapping[str, Any]


class ControlRefused(Exception):
    """The sandbox did not do what it was told; the message says why."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one row: its Id, whether it was created, and the errors in the shape of Collections."""

    id: str | None
    created: bool
    errors: tuple[Mapping[str, Any], ...]

    @property
    def success(self) -> bool:
        return not self.errors


@dataclass(frozen=True, slots=True)
class Usage:
    """The API use of the org: `counts` by kind of call, and the pools of /limits."""

    counts: Mapping[str, int]
    limits: Mapping[str, Mapping[str, int]]

    @property
    def calls(self) -> int:
        """How many calls were made in the last day."""
        pool = self.limits["DailyApiRequests"]
        return pool["Max"] - pool["Remaining"]


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user of the org; `profile` names one, as `System Administrator` does."""

    username: str
    password: str
    security_token: str
    profile: str = "System Administrator"
    last_name: str = "User"


@dataclass(frozen=True, slots=True)
class NewApp:
    """A connected app; see `identity.App`. `run_as` is a username."""

    client_id: str
    name: str
    client_secret: str | None = None
    callback_url: str = ""
    certificate: str | None = None
    rotates: bool = True
    preauthorized: bool = False
    run_as: str | None = None
