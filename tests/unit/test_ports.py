from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

import pytest

from infra.local.port_claims import port_claims
from infra.local.ports import HOST, LocalPorts, choose_ports, holder, is_free, read_ports, write_ports
from retinue.errors import ConfigurationError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def free() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def choose(given: Mapping[str, int], *, last: LocalPorts | None = None, host: str = HOST) -> LocalPorts:
    """As a start chooses that then ends."""
    with port_claims() as claims:
        return choose_ports(given, claims, last=last, host=host)


def test_given_ports_are_used() -> None:
    port = free()
    assert choose({"sqs": port}).sqs == port


def test_all_ports_differ_and_are_free() -> None:
    ports = choose({})
    numbers = astuple(ports)
    assert len(set(numbers)) == 6
    assert all(is_free(number) for number in numbers)


def test_the_ports_of_the_last_run_are_kept() -> None:
    last = choose({}, last=LocalPorts(free(), free(), free(), free(), free()))
    assert choose({}, last=last) == last


def test_a_port_of_the_last_run_that_is_taken_gives_way(taken: int) -> None:
    last = LocalPorts(free(), free(), taken, free(), free())
    chosen = choose({}, last=last)
    assert taken < chosen.sqs < taken + 200
    assert chosen.postgres == last.postgres


def test_a_given_port_that_is_taken_is_an_error_that_names_the_holder(taken: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"Port {taken} for postgres is taken by .*\(pid {os.getpid()}\)"):
        choose({"postgres": taken})


def test_one_port_cannot_be_given_twice() -> None:
    port = free()
    with pytest.raises(ConfigurationError, match=f"Port {port} for sqs is taken by postgres"):
        choose({"postgres": port, "sqs": port})


def test_a_given_port_is_not_chosen_for_another_program() -> None:
    port = free()
    chosen = choose({"caldav": port}, last=LocalPorts(manager=port))
    assert chosen.caldav == port
    assert chosen.manager != port


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Nothing can listen on 192\.0\.2\.1:"):
        choose({}, host="192.0.2.1")


def test_two_starts_at_once_choose_different_ports() -> None:
    with port_claims() as first, port_claims() as second:
        ours, theirs = choose_ports({}, first), choose_ports({}, second)
    assert set(astuple(ours)).isdisjoint(astuple(theirs))


def test_a_given_port_that_another_start_has_claimed_is_an_error() -> None:
    port = free()
    with port_claims() as first, port_claims() as second:
        choose_ports({"sqs": port}, first)
        with pytest.raises(ConfigurationError, match=f"Port {port} for caldav is taken by another start of Retinue"):
            choose_ports({"caldav": port}, second)


def test_nobody_holds_a_free_port() -> None:
    assert holder(free()) is None


def test_ports_are_kept_in_a_file(tmp_path: Path) -> None:
    ports = LocalPorts(1, 2, 3, 4)
    write_ports(tmp_path / "ports.json", ports)
    assert read_ports(tmp_path / "ports.json") == ports


def test_no_file_means_no_ports(tmp_path: Path) -> None:
    assert read_ports(tmp_path / "ports.json") is None


@pytest.mark.parametrize("text", ["", "[]", '{"manager": 1, "other": 2}'])
def test_a_broken_file_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=str(path)):
        read_ports(path)
