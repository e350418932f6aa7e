from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from infra.local.ports import LocalPorts, choose_ports, holder, is_free, read_ports, write_ports
from retinue.errors import ConfigurationError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def free() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def test_given_ports_are_used() -> None:
    port = free()
    assert choose_ports({"sqs": port}).sqs == port


def test_all_ports_differ_and_are_free() -> None:
    ports = choose_ports({})
    numbers = [ports.manager, ports.postgres, ports.sqs, ports.caldav]
    assert len(set(numbers)) == 4
    assert all(is_free(number) for number in numbers)


def test_the_ports_of_the_last_run_are_kept() -> None:
    last = choose_ports({}, last=LocalPorts(free(), free(), free(), free()))
    assert choose_ports({}, last=last) == last


def test_a_port_of_the_last_run_that_is_taken_gives_way(taken: int) -> None:
    last = LocalPorts(free(), free(), taken, free())
    chosen = choose_ports({}, last=last)
    assert taken < chosen.sqs < taken + 200
    assert chosen.postgres == last.postgres


def test_a_given_port_that_is_taken_is_an_error_that_names_the_holder(taken: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"Port {taken} for postgres is taken by .*\(pid {os.getpid()}\)"):
        choose_ports({"postgres": taken})


def test_one_port_cannot_be_given_twice() -> None:
    port = free()
    with pytest.raises(ConfigurationError, match=f"Port {port} for sqs is taken by postgres"):
        choose_ports({"postgres": port, "sqs": port})


def test_a_given_port_is_not_chosen_for_another_program() -> None:
    port = free()
    chosen = choose_ports({"caldav": port}, last=LocalPorts(manager=port))
    assert chosen.caldav == port
    assert chosen.manager != port


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Nothing can listen on 192\.0\.2\.1:"):
        choose_ports({}, host="192.0.2.1")


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
