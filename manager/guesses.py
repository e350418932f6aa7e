"""How hard it is to guess a password: wrong attempts count for the address they come from and the name they are for."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable
from typing import TypeVar

from flask import request
from werkzeug.exceptions import TooManyRequests

from infra.logs import get_logger
from manager.throttle import Throttle
from retinue.clock import Clock

#: Wrong attempts in a row that a name has free, from wherever they come: more than an address, which few share.
FREE_FAILURES_OF_NAME = 20

#: Nobody's name is longer.
MAX_NAME = 300

Known = TypeVar("Known")

log = get_logger(__name__)


class Guesses:
    """Judges attempts, and makes the hasty wait."""

    def __init__(self, clock: Clock) -> None:
        self._addresses = Throttle(clock)
        self._names = Throttle(clock, free_failures=FREE_FAILURES_OF_NAME)

    def judged(self, name: str, find: Callable[[], Known | None]) -> Known | None:
        """What `find` finds for this name; None where it does not, which counts as a wrong attempt.

        Raises:
            TooManyRequests: this address, or somebody for this name, guessed wrong too often and has to wait.
        """
        self._refuse_the_hasty(name)
        known = find()
        if known is None:
            self._addresses.count_failure(asking_network())
            self._names.count_failure(_counted(name))
            log.warning("sign_in_refused", client=request.remote_addr)
            return None
        self._addresses.forgive(asking_network())
        self._names.forgive(_counted(name))
        return known

    def _refuse_the_hasty(self, name: str) -> None:
        wait = math.ceil(max(self._addresses.wait_seconds(asking_network()), self._names.wait_seconds(_counted(name))))
        if wait > 0:
            raise TooManyRequests(f"Too many wrong attempts. Try again in {wait} s.", retry_after=wait)


def _counted(name: str) -> str:
    """What failures are counted by: no longer than a name can be, for many of them are remembered."""
    return name.lower()[:MAX_NAME]


def asking_network() -> str:
    """The address that asks; of IPv6 its network, for each machine has as many addresses as it likes."""
    address = request.remote_addr or "unknown"
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))
