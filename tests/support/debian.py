"""Programs that tests need and that Debian packages: installed where they are missing and root runs the tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
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
    """Install a Debian package for the sake of one program in it; nothing where this is no Debian."""
    apt = shutil.which("apt-get")
    if apt is None:
        return
    with Path(tempfile.gettempdir(), "retinue-tests-debian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be installing it
        if program.exists():
            return
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        command = [apt, "install", "-y", "-q", "--no-install-recommends", package]
        for arguments in ([apt, "update", "-q"], command):
            subprocess.run(arguments, check=True, env=environment)  # noqa: S603 - Debian's own program
