"""TCP connections that lead no further than a connection's settings allow.

Admins of accounts name servers on their own pages, and must not reach by that what only this machine or its network can
reach. A name is looked up once, all that it stands for is looked at, and what was looked at is connected to: whoever
owns a name may give another address the next time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from infra.hosts import Reach, is_public
from retinue.errors import SettingsRefused

P = TypeVar("P", bound=asyncio.BaseProtocol)

#: How many addresses of a name are tried: whoever owns it may list hundreds that do not answer.
_TRIED = 8


class Place(NamedTuple):
    """An address to connect to, as `socket.getaddrinfo` gives it."""

    family: socket.AddressFamily
    kind: socket.SocketKind
    protocol: int
    name: str
    address: tuple[Any, ...]


def reach_of(config: Mapping[str, Any]) -> Reach:
    """How far the settings of a connection let it lead; as far as it wants where they do not tell.

    Raises:
        SettingsRefused: they tell something else.
    """
    value = config.get("reach")
    try:
        return Reach.ANY if value is None else Reach(value)
    except ValueError:
        raise SettingsRefused(
            f"The connection has reach {str(value)[:40]!r}; expected 'public' or 'any': add the connection anew."
        ) from None


def check_public(host: str, places: list[Place], reach: Reach) -> None:
    """Refuse a name of which any address is beyond the reach.

    Raises:
        SettingsRefused: it is.
    """
    if reach is Reach.PUBLIC and not all(is_public(str(place.address[0])) for place in places):
        raise SettingsRefused(
            f"{host} has an address that is not public, and what is connected on an account's own pages leads to "
            "public ones alone: give a server that the internet reaches, or have whoever runs Retinue add this one by "
            "`retinue connections add`."
        )


def find_places(host: str, port: int, reach: Reach) -> list[Place]:
    """The addresses of a name, all of them within reach.

    Raises:
        SettingsRefused: one of them is not.
        OSError, UnicodeError: it has none.
    """
    places = [Place(*found) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    check_public(host, places, reach)
    return places


def connect(host: str, port: int, *, reach: Reach, seconds: float | None) -> socket.socket:
    """A connected socket, with `seconds` for each address.

    Raises:
        SettingsRefused: the host is beyond reach; nothing was sent.
        OSError, UnicodeError: there is no connection to be had.
    """
    if reach is Reach.ANY:
        return socket.create_connection((host, port), seconds)
    failure: OSError = OSError(f"{host} has no address")
    for place in find_places(host, port, reach)[:_TRIED]:
        try:
            return _connected(place, seconds)
        except OSError as error:
            failure = error
    raise failure


def _connected(place: Place, seconds: float | None) -> socket.socket:
    made = socket.socket(place.family, place.kind, place.protocol)
    try:
        made.settimeout(seconds)
        made.connect(place.address)
    except BaseException:
        made.close()
        raise
    return made


async def connect_protocol(
    factory: Callable[[], P], host: str, port: int, *, reach: Reach
) -> tuple[asyncio.Transport, P]:
    """As `connect`, in an event loop, with a protocol; the caller limits the time."""
    loop = asyncio.get_running_loop()
    if reach is Reach.ANY:
        return await loop.create_connection(factory, host, port)
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    places = [Place(*one) for one in found]
    check_public(host, places, reach)
    failure: OSError = OSError(f"{host} has no address")
    for place in places[:_TRIED]:
        try:
            # It is an address by now, which is not looked up again.
            return await loop.create_connection(factory, place.address[0], port)
        except OSError as error:
            failure = error
    raise failure
