"""What runs of an embedded stack."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.environment import layout_of
from infra.supervisor.client import ProcessInfo, ProcessState, Supervisor, SupervisorUnreachable

if TYPE_CHECKING:
    from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class ProgramStatus:
    """One process of a running stack; `exit_status` is None but for one that has left and is not started again."""

    name: str
    program: str
    state: ProcessState
    pid: int | None
    uptime_seconds: int
    restarts: int
    exit_status: int | None
    error: str
    log: Path


def status(settings: Settings) -> list[ProgramStatus]:
    """Every process of the stack; empty when it is not up."""
    layout = layout_of(settings)
    try:
        processes = Supervisor(layout.socket).processes()
    except SupervisorUnreachable:
        return []
    starts = _starts(layout.logs)
    return [_status(process, starts[process.name]) for process in processes]


def _status(process: ProcessInfo, starts: int) -> ProgramStatus:
    return ProgramStatus(
        name=process.name,
        program=process.program,
        state=process.state,
        pid=process.pid or None,
        uptime_seconds=process.uptime_seconds,
        restarts=max(0, starts - 1),
        exit_status=process.exit_status if process.state is ProcessState.EXITED else None,
        error=process.error,
        log=process.log,
    )


def _starts(logs: Path) -> Counter[str]:
    """How often each process was started since the stack came up: supervisord counts that nowhere but in its log."""
    starts: Counter[str] = Counter()
    for path in (logs / "supervisord.log", *logs.glob("supervisord.log.[0-9]")):
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        starts.update(line.partition("spawned: '")[2].partition("'")[0] for line in lines if "spawned: '" in line)
    return starts
