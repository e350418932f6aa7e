"""Where Chromium is on this machine. Where it is missing, root installs Debian's package.

The shell without a window is meant: a whole browser draws tabs and menus for nobody, and takes twice the time.

`python -m tests.support.chromium` does that alone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_SHELL = "chromium-headless-shell"
_NAMES = (_SHELL, "chromium", "chromium-browser", "google-chrome")
_FONTS = "fonts-liberation"
#: How it is started, whoever drives it.
FLAGS = (
    "--no-sandbox",  # root has no sandbox; it only ever opens our own pages
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-lcd-text",
    "--hide-scrollbars",
)


def chromium() -> str:
    """The browser's path, installed first where that is possible. Skips the test where it is not, except in CI."""
    path = shutil.which(_SHELL) or (install_chromium() if os.getuid() == 0 else find_chromium())
    if path is not None:
        return path
    reason = "Chromium is not installed, and only root can install it: apt-get install chromium"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def find_chromium() -> str | None:
    """The path of an installed Chromium."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def install_chromium() -> str | None:
    """Install Debian's package, of which older releases have the whole browser alone; what there is on no Debian.

    Raises:
        subprocess.CalledProcessError: apt could not install it; its output says why.
    """
    apt = shutil.which("apt-get")
    if apt is None:
        return find_chromium()
    with Path(tempfile.gettempdir(), "retinue-tests-chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be installing it
        if shutil.which(_SHELL) is None:
            _run([apt, "update", "-q"], check=find_chromium() is None)
            install = [apt, "install", "-y", "-q", "--no-install-recommends", _FONTS]
            if not _run([*install, _SHELL], check=False) and find_chromium() is None:
                _run([*install, "chromium"], check=True)
    return find_chromium()


def _run(command: list[str], *, check: bool) -> bool:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, check=check, env=environment)  # noqa: S603 - Debian's own program
    return done.returncode == 0


if __name__ == "__main__":
    install_chromium()
