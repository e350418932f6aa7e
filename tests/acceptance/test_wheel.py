"""The wheel, installed where no checkout is: a stack starts from it, works and stops."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.family import end_processes, is_alive, processes_of
from tests.support.product import Checkout, Product, eventually, quiet_port, run, scratch, user_environment

pytestmark = pytest.mark.timeout(420)

PACKAGES = ("cli", "infra", "manager", "retinue", "scheduler", "servants")

WHERE = f"import {', '.join(PACKAGES)}; print(*(m.__path__[0] for m in ({', '.join(PACKAGES)})), sep='\\n')"


@pytest.fixture(scope="module")
def wheel(checkout: Checkout) -> Iterator[Path]:
    """The wheel that the copy's own tools build."""
    python = checkout.home / ".venv/bin/python"
    if not python.exists():
        checkout.up()
    with scratch() as directory:
        done = checkout.run_program(
            python, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(directory / "dist")
        )
        assert done.status == 0, done
        (built,) = (directory / "dist").glob("retinue-*.whl")
        yield built


@pytest.fixture
def installed(wheel: Path, checkout: Checkout) -> Iterator[Product]:
    """A new environment that holds the wheel, and finds the dependencies in the copy's."""
    with scratch() as directory:
        venv = directory / "venv"
        environment = user_environment()
        python = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
        made = run([python, "-m", "venv", "--without-pip", venv], home=directory, environment=environment)
        assert made.status == 0, made
        pip = [checkout.home / ".venv/bin/pip", "--python", venv / "bin/python", "--disable-pip-version-check"]
        done = run([*pip, "install", "--no-deps", "--no-index", wheel], home=directory, environment=environment)
        assert done.status == 0, done
        # A path file is not followed from another one's directory, so the copy's own code stays out of sight.
        packages = f"lib/python3.{sys.version_info.minor}/site-packages"
        (venv / packages / "dependencies.pth").write_text(f"{checkout.home}/.venv/{packages}\n")
        home = directory / "work"
        home.mkdir()
        try:
            yield Product(home, venv / "bin/retinue", RETINUE_MANAGER_PORT=str(quiet_port()))
        finally:
            end_processes(directory)


def test_a_stack_from_the_wheel_starts_works_and_stops(installed: Product) -> None:
    site = installed.program.parents[1] / "lib"
    where = installed.run_program(installed.program.with_name("python"), "-P", "-c", WHERE)
    assert [Path(line).is_relative_to(site) for line in where.out.split()] == [True] * len(PACKAGES), where

    said = installed.say("up", "--detach")
    assert "Retinue is up." in said
    before = processes_of(installed.home)
    assert not any("PYTHONPATH" in process.environ() for process in before if process.environ())
    job = installed.json("jobs", "enqueue", "system.echo", '{"message": "from the wheel"}')["id"]
    done = eventually(
        lambda: installed.json("jobs", "show", job), lambda job: job["state"] == "completed", seconds=20, what="echo"
    )
    assert done["result"]["message"] == "from the wheel"
    assert_page_and_calendars(installed)

    assert installed.say("down").endswith("Everything is stopped.\n")
    assert [process for process in before if is_alive(process)] == []
    assert processes_of(installed.home.parent) == set()


def assert_page_and_calendars(installed: Product) -> None:
    """What the wheel carries beside code: templates, static files, demo calendars."""
    status = installed.json("status")
    password = (installed.home / ".retinue/manager-password").read_text().strip()
    with requests.Session() as browser:
        form = browser.get(f"{status['manager_url']}/sign-in", timeout=10).text
        token = re.search(r'name="csrf_token" value="([^"]+)"', form)
        assert token is not None
        sign_in = {"csrf_token": token[1], "user": "operator", "password": password, "next": "/"}
        page = browser.post(f"{status['manager_url']}/sign-in", data=sign_in, timeout=10).text
        assert "calendar.sync" in page
        linked = set(re.findall(r'(?:href|src)="(/assets/[^"]+)"', page))
        assert len(linked) >= 3
        assert {browser.get(status["manager_url"] + path, timeout=10).status_code for path in linked} == {200}
    synced = eventually(
        lambda: installed.json("jobs", "list", "--type", "calendar.sync", "--state", "completed")["jobs"],
        lambda jobs: len({job["account_name"] for job in jobs}) == 3,
        seconds=30,
        what="synced demo account",
    )
    assert {job["error"] for job in synced} == {None}
