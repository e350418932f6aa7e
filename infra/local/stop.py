"""The end of an embedded stack: in reverse order, and with no process left behind."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import time
from collections.abc import Iterable

import psutil

from infra.local.layout import Layout
from infra.local.processes import end_processes, is_alive, stack_processes, wait_for_end
from infra.local.steps import Reporter, StackError
from infra.supervisor.client import ProgramInfo, Supervisor, SupervisorUnreachable

#: What supervisord gets on top of the programs' own time: it looks once a second.
_MARGIN_SECONDS = 5

#: What processes without a supervisord get to leave by themselves.
_ORPHAN_SECONDS = 10

_POLL_SECONDS = 0.05


def stop_stack(layout: Layout, reporter: Reporter) -> bool:
    """Stop everything; False when nothing ran. An interrupt meanwhile kills what is left.

    Raises:
        StackError: a process outlived even SIGKILL.
    """
    processes = stack_processes(layout.socket)
    if processes:
        began = time.monotonic()
        reporter.step_started("stop")
        try:
            _stop_politely(Supervisor(layout.socket), processes)
        except KeyboardInterrupt:
            reporter.notice("Interrupted again: killing what still runs")
        _end_rest(layout, [*processes, *stack_processes(layout.socket)], reporter)
        reporter.step_done("stop", time.monotonic() - began)
    _remove_traces(layout)
    return bool(processes)


def _stop_politely(supervisor: Supervisor, processes: list[psutil.Process]) -> None:
    with contextlib.suppress(SupervisorUnreachable):  # it was killed, or leaves meanwhile: its programs are orphans
        for tier in _tiers_from_above(supervisor.configurations()):
            _stop_tier(supervisor, tier)
        supervisor.shutdown()
        wait_for_end(processes, seconds=_MARGIN_SECONDS)


def _tiers_from_above(programs: Iterable[ProgramInfo]) -> list[list[ProgramInfo]]:
    ordered = sorted(programs, key=lambda program: -program.priority)
    return [list(tier) for _, tier in itertools.groupby(ordered, key=lambda program: program.priority)]


def _stop_tier(supervisor: Supervisor, tier: list[ProgramInfo]) -> None:
    """Stop the programs of a tier side by side. supervisord itself kills those that take too long."""
    names = {program.name for program in tier}
    for name in names:
        supervisor.stop(name)
    deadline = time.monotonic() + max(program.stop_seconds for program in tier) + _MARGIN_SECONDS
    while time.monotonic() < deadline:
        if all(process.state.is_at_rest for process in supervisor.processes() if process.program in names):
            return
        time.sleep(_POLL_SECONDS)


def _end_rest(layout: Layout, processes: list[psutil.Process], reporter: Reporter) -> None:
    rest = [process for process in processes if is_alive(process)]
    survivors = end_processes(rest, seconds=_ORPHAN_SECONDS)
    # A program may have started another while it was ended.
    survivors += end_processes(stack_processes(layout.socket), seconds=_ORPHAN_SECONDS)
    if survivors:
        numbers = ", ".join(sorted(str(process.pid) for process in survivors))
        error = StackError("stop", f"these processes do not end: {numbers}", advice="End them by number, or restart.")
        reporter.step_failed("stop", error)
        raise error


def _remove_traces(layout: Layout) -> None:
    for path in (layout.socket, layout.pidfile, layout.record):
        path.unlink(missing_ok=True)
    if layout.socket.parent != layout.run and layout.socket.parent.exists():
        shutil.rmtree(layout.socket.parent)
