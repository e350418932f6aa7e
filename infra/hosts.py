"""What a host's name or address says of where it is; nothing is looked up."""

from __future__ import annotations

import ipaddress
import re
import socket
from enum import StrEnum

#: Where IPv6 addresses of the internet are (IANA, "IPv6 Address Space"); whatever else there is stays in some network.
_INTERNET = ipaddress.IPv6Network("2000::/3")

#: Leads to an IPv4 address that stands in its last 32 bits (RFC 6052 §2.1).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

#: What older versions of `ipaddress` take for public. In their order: protocols' own, relays of 6to4 (RFC 7526), the
#: machine that an Azure machine runs on; 6to4, which leads to any IPv4 address, and documentation (RFC 9637).
_NOT_PUBLIC = tuple(
    map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2002::/16", "3fff::/20"))
)

#: What `inet_aton` may take for an IPv4 address beside the usual form: `127.1`, `0x7f000001`, `017700000001`.
_NUMBERS = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+)){0,3}", re.ASCII | re.IGNORECASE)


class Reach(StrEnum):
    """How far a connection may lead: anywhere, or to what the whole internet may reach."""

    ANY = "any"
    PUBLIC = "public"


def is_loopback(host: str) -> bool:
    """Whether this is a name or an address of the very machine that asks, which nothing between can read."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_address(host: str) -> bool:
    """Whether this is an address, of IPv4 or IPv6, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether this address is one of the internet, and of one machine: no network's own, no multicast.

    Raises:
        ValueError: it is no address.
    """
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        inner = _inside(found)
        if inner is not None:
            return is_public(str(inner))
        if found not in _INTERNET:
            return False
    is_special = any(found.version == network.version and found in network for network in _NOT_PUBLIC)
    return found.is_global and not found.is_multicast and not is_special


def leads_inside(host: str) -> bool:
    """Whether it can be told without a look-up that this name or address, however written, is not public."""
    name = host.strip().removeprefix("[").removesuffix("]").rstrip(".").lower()
    # Whatever is below it is this machine, too (RFC 6761 §6.3).
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return not is_public(_usual_form(name))
    except ValueError:
        return False


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that one of IPv6 stands for."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None


def _usual_form(address: str) -> str:
    if not _NUMBERS.fullmatch(address):
        return address
    try:
        return socket.inet_ntoa(socket.inet_aton(address))
    except OSError:
        return address
