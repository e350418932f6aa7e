"""What browsers load of others' work is what the npm packages hold, and names its licence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from manager.npm.__main__ import FILES, HERE, REPOSITORY, integrity

LISTED = json.loads(FILES.read_text("utf-8"))
LOCK = json.loads((HERE / "package-lock.json").read_text("utf-8"))["packages"]
PLACES = (Path("manager/static/vendor"), Path("tests/support/vendor"))


def package_of(entry: dict[str, str]) -> str:
    parts = entry["from"].split("/")
    return "/".join(parts[: 2 if parts[0].startswith("@") else 1])


@pytest.mark.parametrize("name", LISTED)
def test_each_file_is_as_it_was_fetched(name: str) -> None:
    assert integrity(REPOSITORY / name) == LISTED[name]["integrity"]


def test_nothing_else_lies_there() -> None:
    found = {str(path.relative_to(REPOSITORY)) for place in PLACES for path in (REPOSITORY / place).rglob("*.*")}

    assert {name for name in found if (REPOSITORY / name).is_file()} <= set(LISTED)


def test_every_package_is_locked_by_its_digest_to_the_version_asked_for() -> None:
    asked = json.loads((HERE / "package.json").read_text("utf-8"))
    wanted = asked["dependencies"] | asked["devDependencies"]

    assert {package_of(entry) for entry in LISTED.values()} == set(wanted)
    for name, version in wanted.items():
        locked = LOCK[f"node_modules/{name}"]
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert locked["version"] == version
        assert locked["integrity"].startswith("sha512-")


def test_the_lock_names_no_place() -> None:
    assert all("resolved" not in package for package in LOCK.values())


def test_every_package_comes_with_its_licence() -> None:
    packages = {package_of(entry) for entry in LISTED.values()}
    licensed = {package_of(entry) for name, entry in LISTED.items() if "LICENSE" in name}

    assert packages == licensed
