"""Programs that tests need and that Debian packages: installed where they are missing and root runs the tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection
from pathlib import Path

import pytest


def program(path: str, *, package: str) -> Path:
    """The program at `path`, its package installed first where that is possible.

    Skips the test where it is not, except in CI, where it fails.

    Raises:
        subprocess.CalledProcessError: apt could not install the package; its output says why.
    """
    found = Path(path)
    if not found.exists() and os.getuid() == 0:
        install(found, package)
    if found.exists():
        return found
    reason = f"{path} is missing, and only root can install it: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def install(program: Path, package: str) -> None:
    """Install a Debian package for the sake of one program in it; nothing where this is no Debian.

    One that other packages would have to go for, as one mail server for another, is only unpacked.
    """
    apt = shutil.which("apt-get")
    if apt is None:
        return
    with Path(tempfile.gettempdir(), "retinue-tests-debian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be installing it
        if program.exists():
            return
        _run(apt, "update", "-q")
        plan = _run(apt, "install", "-s", "--no-install-recommends", package).splitlines()
        if any(line.startswith("Remv ") for line in plan):
            needed = {line.split()[1] for line in plan if line.startswith("Inst ")} - {package}
            _install(apt, needed)
            _unpack(apt, package)
        else:
            _install(apt, {package})


def _install(apt: str, packages: Collection[str]) -> None:
    if packages:
        _run(apt, "install", "-y", "-q", "--no-install-recommends", "--no-remove", *sorted(packages))


def _unpack(apt: str, package: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        _run(apt, "download", "-q", "-o", "APT::Sandbox::User=root", package, directory=directory)
        for archive in Path(directory).glob("*.deb"):
            _run("/usr/bin/dpkg-deb", "-x", str(archive), "/")


def _run(*command: str, directory: str | None = None) -> str:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(  # noqa: S603 - Debian's own programs
        command, check=True, env=environment, cwd=directory, stdout=subprocess.PIPE, text=True
    )
    return done.stdout
