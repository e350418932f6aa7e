"""The results file: every scenario's last answer, with the machine and the versions it was measured on."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import psutil

from bench.figures import Figure, Options, Section
from bench.peers.environment import locked_versions
from infra.local.postgres_cluster import embedded_binaries

NAME = "results.json"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One scenario's section and how it was measured."""

    section: Section
    date: str
    runs: int
    seconds: float
    scale: float
    took_seconds: float
    machine: dict[str, str]

    @classmethod
    def of(cls, section: Section, options: Options, *, began: float) -> Self:
        """What a scenario answered, begun at this `time.monotonic()`."""
        return cls(
            section=section,
            date=f"{datetime.now(UTC):%Y-%m-%d}",
            runs=options.runs,
            seconds=options.seconds,
            scale=options.scale,
            took_seconds=round(time.monotonic() - began, 1),
            machine=machine_facts(),
        )

    @classmethod
    def load(cls, stored: dict[str, Any]) -> Self:
        section = stored.pop("section")
        figures = [Figure(**(figure | {"values": tuple(figure["values"])})) for figure in section["figures"]]
        return cls(section=Section(figures, section["settings"], section["missing"]), **stored)


@dataclass
class Results:
    """By scenario; a part run replaces its own."""

    answers: dict[str, Answer] = field(default_factory=dict)

    @classmethod
    def read(cls, home: Path) -> Self:
        """What was measured so far; empty when nothing was."""
        path = home / NAME
        if not path.exists():
            return cls()
        stored = json.loads(path.read_text())
        return cls({name: Answer.load(answer) for name, answer in stored.items()})

    def write(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        stored = {name: asdict(answer) for name, answer in self.answers.items()}
        (home / NAME).write_text(json.dumps(stored, indent=2) + "\n")

    def figures(self) -> list[Figure]:
        """All figures of all scenarios."""
        return [figure for answer in self.answers.values() for figure in answer.section.figures]

    def settings(self) -> dict[str, str]:
        """How each contestant was set."""
        return {who: setting for answer in self.answers.values() for who, setting in answer.section.settings.items()}

    def missing(self) -> dict[str, str]:
        """Who was not measured somewhere, and why."""
        return {
            f"{who} ({scenario})": why
            for scenario, answer in self.answers.items()
            for who, why in answer.section.missing.items()
        }


def machine_facts() -> dict[str, str]:
    """The machine, the servers and the versions, in words."""
    return {
        "cores": str(psutil.cpu_count()),
        "processor": _processor(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "Python": platform.python_version(),
        "PostgreSQL": _first_version([str(embedded_binaries() / "postgres"), "--version"]),
        "Redis": _first_version(["redis-server", "--version"]),
        "Node.js": _first_version(["node", "--version"]),
        "moto": version("moto"),
        **locked_versions(),
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _first_version(command: list[str]) -> str:
    """The first word with a digit in front that the program tells, or that it is not here."""
    if shutil.which(command[0]) is None:
        return "none"
    said = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=True).stdout
    words = (word.removeprefix("v=").removeprefix("v") for word in said.split())
    return next((word for word in words if word[:1].isdigit()), "unknown")
