"""What addresses and names tell of where a host is."""

from __future__ import annotations

import pytest

from infra.hosts import is_loopback, is_public, leads_inside

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "192.88.98.255",
    "223.255.255.254",
    "2001:4860:4860::8888",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]

NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.0.9",
    "0.0.0.0",  # noqa: S104 - an address to look at, not to listen on
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_what_the_internet_reaches(address: str) -> None:
    assert is_public(address)
    assert not leads_inside(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_it_does_not(address: str) -> None:
    assert not is_public(address)
    assert leads_inside(address)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost.",
        "imap.localhost",
        " 127.0.0.1 ",
        "127.0.0.1.",
        "[::1]",
        "127.1",
        "0",
        "0x7f000001",
        "0x7F.1",
        "017700000001",
        "2130706433",
        "10.1",
    ],
)
def test_other_ways_to_write_it(host: str) -> None:
    assert leads_inside(host)


@pytest.mark.parametrize(
    "host", ["imap.example.com", "localhost.example.com", "notlocalhost", "0x8.0x8.0x8.0x8", "134744072", "1.2.3.4.5"]
)
def test_names_are_left_to_whoever_looks_them_up(host: str) -> None:
    assert not leads_inside(host)


@pytest.mark.parametrize("text", ["", "example.com", "1.2.3", "::1::"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        is_public(text)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_very_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "imap.localhost", "10.0.0.1", "0.0.0.0", "127.1", "example.com"])  # noqa: S104
def test_what_may_be_another_machine(host: str) -> None:
    assert not is_loopback(host)
