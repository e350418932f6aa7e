"""From `retinue up` to the first job completed, with everything installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from bench.figures import RETINUE, Figure, Options, Section
from infra.local.environment import local_environment
from infra.settings import load_settings

WHAT = "`retinue up` to the first job completed"


def measure(options: Options) -> Section:
    """A new stack for each run."""
    seconds = tuple(seconds_to_first_job() for _ in range(options.runs))
    return Section([Figure(who=RETINUE, what=WHAT, unit="s", values=seconds, goal=10, better="less")])


def seconds_to_first_job() -> float:
    """A new data directory, the whole embedded stack, until the first job is in the history."""
    with tempfile.TemporaryDirectory(prefix="retinue-up-") as name:
        Path(name).chmod(0o711)
        settings = load_settings(env_file=None, data_dir=Path(name) / "data")
        command = [sys.executable, "-m", "cli.main"]
        environment = os.environ | {"RETINUE_DATA_DIR": str(settings.data_dir)}
        began = time.monotonic()
        _run([*command, "up", "--detach"], environment)
        try:
            url = local_environment(settings)["RETINUE_DATABASE_URL"]
            with psycopg.connect(url, autocommit=True) as connection:
                while connection.execute("SELECT 1 FROM job_rollups WHERE state = 'completed'").fetchone() is None:
                    time.sleep(0.05)  # a first job that ends gives no signal to who stands outside
            return time.monotonic() - began
        finally:
            _run([*command, "down"], environment)


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[-2:])} failed\n{done.stdout}{done.stderr}")
