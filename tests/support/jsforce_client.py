"""jsforce as it comes from npm: fetched once by its lock, and run with Node.js."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "jsforce"
KEPT = Path(__file__).resolve().parents[2] / ".retinue" / "tests"

INSTALL_SECONDS = 240
RUN_SECONDS = 100


def run_tour(environment: Mapping[str, str]) -> dict[str, Any]:
    """What the tour saw; the test is skipped where there is no Node.js, or jsforce cannot be had."""
    place = _installed()
    shutil.copy(HERE / "tour.js", place / "tour.js")
    done = subprocess.run(  # noqa: S603 - Node.js and the tour beside this file
        [_program("node"), "tour.js"],
        cwd=place,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _installed() -> Path:
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:12]
    place = KEPT / f"jsforce-{digest}"
    if not (place / "ready").exists():
        place.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, place / name)
        command = [_program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(  # noqa: S603 - npm with the lock beside this file
            command, cwd=place, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
        if done.returncode:
            pytest.skip(f"jsforce cannot be had: {done.stderr.strip().splitlines()[-1:]}")
        (place / "ready").touch()
    return place


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip("Node.js with npm is not installed")
    return found
