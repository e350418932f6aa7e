"""A new type of work from somebody else's package: installed with pip, and everything else comes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.family import processes_of
from tests.support.product import STOP_SECONDS, Checkout, eventually, scratch, source_files

pytestmark = pytest.mark.timeout(420)

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-servants"
version = "1.0"
dependencies = ["retinue"]

[project.entry-points."retinue.servants"]
"acme.greet" = "acme_servants:greet"
"""

MODULE = '''
"""Greets people."""

from retinue import Completed, Job, Payload, servant


class Greet(Payload):
    name: str


@servant("acme.greet", slots=2)
def greet(job: Job[Greet]) -> Completed:
    return Completed({"greeting": f"Good day, {job.payload.name}."})
'''


@pytest.fixture
def installed(checkout: Checkout) -> Iterator[Checkout]:
    """The copy's environment with Acme's package in it; its stack is down."""
    if checkout.terminal is None:
        checkout.up()
    stop(checkout)
    with scratch() as folder:
        write_package(folder)
        pip(checkout, "install", "--no-deps", "--no-build-isolation", str(folder))
        yield checkout
        stop(checkout)
        pip(checkout, "uninstall", "--yes", "acme-servants")


def write_package(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "acme_servants").mkdir()
    (folder / "acme_servants/__init__.py").write_text(MODULE)


def pip(checkout: Checkout, *arguments: str) -> None:
    program = checkout.home / ".venv/bin/pip"
    done = checkout.run_program(program, *arguments, "--quiet", "--disable-pip-version-check")
    assert done.status == 0, done


def stop(checkout: Checkout) -> None:
    if checkout.terminal is not None and checkout.terminal.is_open:
        checkout.terminal.interrupt()
        checkout.terminal.close(seconds=STOP_SECONDS)


def test_a_servant_from_elsewhere_gets_queue_program_and_place_in_the_manager(installed: Checkout) -> None:
    before = source_files(installed.home)

    # `make up` starts a process for it
    installed.up()
    programs = {line["name"]: line for line in installed.json("status")["programs"]}
    assert programs["servant-acme-greet"]["state"] == "RUNNING"
    assert programs["servant-acme-greet"]["pid"] in {process.pid for process in processes_of(installed.home)}

    # it has a queue of its own
    findings = [check["sentence"] for check in installed.json("doctor")["checks"]]
    assert "retinue-local-acme-greet: 0 messages wait, 0 are in flight." in findings
    assert "acme.greet: 1 alive with 2 slots." in findings

    # it performs jobs, and payloads that do not fit are refused
    job = installed.json("jobs", "enqueue", "acme.greet", '{"name": "Ada"}')["id"]
    done = eventually(
        lambda: installed.json("jobs", "show", job),
        lambda job: job["state"] == "completed",
        seconds=20,
        what="greeting",
    )
    assert done["result"] == {"greeting": "Good day, Ada."}
    refused = installed.refusal("jobs", "enqueue", "acme.greet", '{"nom": "Ada"}', status=2)
    assert "acme.greet" in refused
    assert "name" in refused

    # the manager shows it
    overview = overview_of(installed)
    kind = next(line for line in overview["types"] if line["type"] == "acme.greet")
    assert (kind["slots"], kind["live_servants"], kind["jobs"]["in_all"]["completed"]) == (2, 1, 1)
    shown = next(line for line in overview["servants"] if line["type"] == "acme.greet")
    assert shown["pid"] == programs["servant-acme-greet"]["pid"]

    # and nothing of Retinue was changed for it
    assert source_files(installed.home) == before


def overview_of(checkout: Checkout) -> Any:
    """What the manager tells an operator who has the generated password."""
    password = (checkout.data / "manager-password").read_text().strip()
    url = f"http://127.0.0.1:{checkout.ports['manager']}/api/overview"
    reply = requests.get(url, auth=("operator", password), timeout=10)
    reply.raise_for_status()
    return reply.json()
