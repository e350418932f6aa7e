"""Servants by the dozen: one process that has everything imported forks them, so that a killed one is back at once.

    python -m tests.support.nursery

Each line on standard input is a job type; for each a servant is forked and its process ID printed. It ends, and its
servants with it, when the input ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cli.main import cli
from cli.processes import servers
from infra.secrets import Keyring
from servants.runtime.process import ServantProcess
from servants.runtime.registration import connections_of

#: What a servant's command imports when it begins is here already.
_IMPORTED = (servers, Keyring, ServantProcess, connections_of)

#: `prctl`: the signal that a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1


@dataclass
class Nursery:
    """The process that forks, seen from the test."""

    process: subprocess.Popen[str]
    pids: dict[str, int] = field(default_factory=dict)

    def start_servant(self, name: str, job_type: str) -> None:
        """Fork a servant."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{job_type}\n")
        self.process.stdin.flush()
        self.pids[name] = int(self.process.stdout.readline())

    def kill(self, name: str) -> None:
        """SIGKILL; the nursery reaps what is left."""
        os.kill(self.pids.pop(name), signal.SIGKILL)


@contextmanager
def nursery(
    environment: Mapping[str, str], log: Path, *, program: Sequence[str] = ("tests.support.nursery",)
) -> Iterator[Nursery]:
    """A nursery whose servants have this environment and log to this file; `program` is another module that is one."""
    command = [sys.executable, "-m", *program]
    pipe = subprocess.PIPE
    with (
        log.open("ab") as logged,
        subprocess.Popen(  # noqa: S603 - our own program
            command, env=environment, stdin=pipe, stdout=pipe, stderr=logged, text=True
        ) as process,
    ):
        made = Nursery(process)
        try:
            yield made
        finally:
            for name in list(made.pids):
                made.kill(name)
            process.communicate()


def main() -> None:
    """Fork a servant for each line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _be_servant(line.strip())
        print(pid, flush=True)  # noqa: T201 - for whoever asked


def _be_servant(job_type: str) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    cli(["servant", job_type], prog_name="retinue")


if __name__ == "__main__":
    main()
