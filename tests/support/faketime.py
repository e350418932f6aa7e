"""A clock of a process's own, which a test moves while the process runs: libfaketime under every program it starts.

The wall clock alone is moved; waits, leases and measurements by the monotonic clock stay as they are, as they do when a
machine's clock is set. Where the library is missing and the tests run as root, they install Debian's package.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_PLACES = "usr/lib/*/faketime/libfaketimeMT.so.1"
_PACKAGE = "libfaketime"


#: Put on a process's path. The library takes the monotonic moment that `time.sleep` waits for by a wall clock's
#: measure, and the call fails; a wait that is not for a moment but for a time is left alone.
_SLEEP = """
import select, time

def sleep(seconds):
    select.select([], [], [], seconds)

time.sleep = sleep
"""


def clock_environment(clock: Path, *, path: str) -> dict[str, str]:
    """What a process needs to go by the offset that the file says, as `+3600`; it is read at each look at the clock.

    `path` is the PYTHONPATH that it had without.
    """
    folder = clock.with_suffix(".hooks")
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SLEEP)
    return {
        "PYTHONPATH": os.pathsep.join([str(folder), path]),
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def library() -> Path:
    """The library, installed first where that is possible. Skips the test where it is not, except in CI."""
    path = _find() or (_install() if os.getuid() == 0 else None)
    if path is not None:
        return path
    reason = "libfaketime is not installed, and only root can install it: apt-get install libfaketime"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _find() -> Path | None:
    return next(iter(sorted(Path("/").glob(_PLACES))), None)


def _install() -> Path | None:
    apt = shutil.which("apt-get")
    if apt is None:
        return None
    with Path(tempfile.gettempdir(), "retinue-tests-faketime.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be installing it
        if _find() is None:
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            install = [apt, "install", "-y", "-q", "--no-install-recommends", _PACKAGE]
            for command in ([apt, "update", "-q"], install):
                subprocess.run(command, check=True, env=environment)  # noqa: S603 - Debian's own program
    return _find()


if __name__ == "__main__":
    _install()
