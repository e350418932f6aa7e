"""The peers' own interpreters and servers, made once from hashed locks and kept in the data directory."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.contestants import NotMeasured

HERE = Path(__file__).parent
LOCK = HERE / "requirements.lock"
NODE = HERE / "node"

#: The oldest Node.js that the locked graphile-worker is run on.
OLDEST_NODE = 20


@functools.cache
def python_environment(home: Path) -> Path:
    """The interpreter that has the peers' Python packages.

    Raises:
        NotMeasured: the packages cannot be had.
    """
    directory = home / f"python-{_digest(LOCK)}"
    interpreter = directory / "bin" / "python"
    if not (directory / "ready").exists():
        print("Preparing the peers' Python packages (once; a minute or so)", flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(directory)])
        _run([str(interpreter), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK)])
        (directory / "ready").touch()
    return interpreter


@functools.cache
def node_environment(home: Path) -> Path:
    """The directory that has graphile-worker and our program for it.

    Raises:
        NotMeasured: Node.js or the package cannot be had.
    """
    _require_node()
    directory = home / f"node-{_digest(NODE / 'package-lock.json')}"
    directory.mkdir(parents=True, exist_ok=True)
    for file in NODE.iterdir():
        if file.is_file():
            shutil.copy(file, directory / file.name)
    if not (directory / "ready").exists():
        print("Preparing graphile-worker (once)", flush=True)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=directory)
        (directory / "ready").touch()
    return directory


@functools.cache
def redis_server() -> str:
    """The Redis server's program; Debian's package is installed when this is root on such a machine.

    Raises:
        NotMeasured: there is none, and none can be installed.
    """
    found = shutil.which("redis-server")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Debian's redis-server (once)", flush=True)
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        _run(["apt-get", "update", "--quiet"], environment=quiet)
        _run(["apt-get", "install", "--yes", "--no-install-recommends", "redis-server"], environment=quiet)
        found = shutil.which("redis-server")
    if found is None:
        raise NotMeasured("no redis-server on this machine: install it (Debian: apt-get install redis-server)")
    return found


def locked_versions() -> dict[str, str]:
    """What the locks name, for the record beside the figures."""
    lines = (line.split(" ")[0] for line in LOCK.read_text().splitlines() if "==" in line)
    versions = dict(line.split("==") for line in lines)
    wanted = ("celery", "dramatiq", "dramatiq-sqs", "huey", "pgqueuer", "procrastinate", "rq", "asyncpg", "uvloop")
    graphile = json.loads((NODE / "package.json").read_text())["dependencies"]["graphile-worker"]
    return {name: versions[name] for name in wanted} | {"graphile-worker": graphile}


def _require_node() -> None:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        raise NotMeasured(f"no Node.js with npm on this machine: install Node.js {OLDEST_NODE} or newer")
    command = [node, "--version"]
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        raise NotMeasured(f"Node.js {version} is too old: graphile-worker is run on {OLDEST_NODE} or newer")


def _run(command: Sequence[str], *, cwd: Path | None = None, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise NotMeasured(f"{' '.join(command[:4])} failed: {' '.join(last)}")


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
