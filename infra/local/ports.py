"""Which ports the embedded stack listens on: given ones, else those of its last run, else free ones."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import psutil

from infra.local.port_claims import PortClaims
from retinue.errors import ConfigurationError

HOST = "127.0.0.1"

#: How far above its preferred port a program looks for a free one.
_REACH = 200


@dataclass(frozen=True, slots=True)
class LocalPorts:
    """One port for each server; the defaults are the preferred ones.

    They lie below the ports that systems hand out to clients (32768 and up), so that they stay free while the stack
    rests.
    """

    manager: int = 8600
    postgres: int = 8610
    sqs: int = 8620
    caldav: int = 8630
    imap: int = 8640
    salesforce: int = 8650


def choose_ports(
    given: Mapping[str, int], claims: PortClaims, *, last: LocalPorts | None = None, host: str = HOST
) -> LocalPorts:
    """A free port for each server: `given` ones must be used, else those of the `last` run are preferred.

    The manager listens on `host`, all others on 127.0.0.1. What is chosen is claimed, so that a start at the same time
    chooses others.

    Raises:
        ConfigurationError: a given port is taken (the message says by whom if that can be known), or none is free.
    """
    chosen: dict[str, int] = {}
    for name, port in given.items():
        twin = next((other for other, taken in chosen.items() if taken == port), None)
        by = twin or _obstacle(port, _address(name, host), claims)
        if by is not None:
            raise ConfigurationError(f"Port {port} for {name} is taken by {by}: end that program or give another port")
        chosen[name] = port
    preferred = last or LocalPorts()
    for field in fields(LocalPorts):
        if field.name not in chosen:
            wanted = getattr(preferred, field.name)
            chosen[field.name] = _first_free(wanted, _address(field.name, host), claims, avoid=chosen.values())
    return LocalPorts(**chosen)


def _address(name: str, host: str) -> str:
    return host if name == "manager" else HOST


def _first_free(preferred: int, host: str, claims: PortClaims, *, avoid: Collection[int]) -> int:
    for port in range(preferred, min(preferred + _REACH, 65_536)):
        # Claimed first: whoever looks whether it is free is the only one to look.
        if port not in avoid and claims.take(port) and is_free(port, host):
            return port
    raise ConfigurationError(f"No port from {preferred} to {preferred + _REACH - 1} is free: give one")


def _obstacle(port: int, host: str, claims: PortClaims) -> str | None:
    """Who has the port, None when it is ours now."""
    if not claims.take(port):
        return "another start of Retinue"
    return None if is_free(port, host) else holder(port) or "another program"


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could listen there now.

    Raises:
        ConfigurationError: `host` is no address of this machine, or the port is not allowed to this user.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do, so that a connection of the last run that lingers in TIME_WAIT is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise ConfigurationError(f"Nothing can listen on {host}:{port}: {error.strerror}") from None
    return True


def holder(port: int) -> str | None:
    """Who listens on the port, such as `nginx (pid 812)`; None when that is not to be seen."""
    try:
        connections = psutil.net_connections(kind="tcp")
        pids = [
            row.pid for row in connections if row.status == psutil.CONN_LISTEN and row.laddr and row.laddr[1] == port
        ]
        return next((f"{psutil.Process(pid).name()} (pid {pid})" for pid in pids if pid), None)
    except psutil.Error:
        return None


def read_ports(path: Path) -> LocalPorts | None:
    """The ports of the last run, None when there was none.

    Raises:
        ConfigurationError: the file is there and holds something else.
    """
    if not path.exists():
        return None
    try:
        return LocalPorts(**json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{path} does not hold the stack's ports ({error}): remove it") from None


def write_ports(path: Path, ports: LocalPorts) -> None:
    """Keep the ports for the next run and for the commands beside the stack."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(ports)) + "\n", "utf-8")
    draft.replace(path)
