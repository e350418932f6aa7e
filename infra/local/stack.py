"""The embedded stack as a whole: up, stay, down.

summary = up(settings, reporter, hooks=hooks)
stay(settings, reporter)        # in the foreground: until Ctrl-C, then everything is stopped
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.local.environment import Addresses, addresses, layout_of, refuse_other_servers
from infra.local.guards import interruptible, locked
from infra.local.layout import Layout, keep_previous_logs, prepare, prepare_socket, using
from infra.local.port_claims import port_claims
from infra.local.ports import LocalPorts, choose_ports, read_ports, write_ports
from infra.local.start import Hooks, Stack
from infra.local.steps import Reporter, run_steps
from infra.local.stop import stop_stack
from infra.supervisor.client import ProcessState, Supervisor, SupervisorUnreachable
from infra.supervisor.programs import programs
from infra.version import VERSION
from retinue.errors import ConfigurationError

if TYPE_CHECKING:
    from infra.settings import Settings

__all__ = ["Addresses", "Hooks", "StackSummary", "down", "stay", "up"]

#: How often `stay` looks whether a program has given up.
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class StackSummary:
    """A stack that is up. `was_up` says that it was so before."""

    addresses: Addresses
    was_up: bool


def up(settings: Settings, reporter: Reporter, *, hooks: Hooks, ports: Mapping[str, int] | None = None) -> StackSummary:
    """Start the stack, unless it is up; returns when every program is ready.

    `ports` names ports that must be used, by the names of `LocalPorts`. Whatever stops the
    start, Ctrl-C included, everything that was started is stopped again.

    Raises:
        ConfigurationError: the data directory, a port or a setting cannot be used, or another version is up.
        StackError: a step failed.
        KeyboardInterrupt: on SIGINT, SIGTERM or SIGHUP.
    """
    layout = layout_of(settings)
    prepare(layout)
    with interruptible(), locked(layout, reporter):
        running = _running(settings, layout)
        if running is not None:
            return StackSummary(running, was_up=True)
        if stop_stack(layout, reporter):
            reporter.notice("Ended what an earlier, broken start had left")
        return StackSummary(_start(settings, reporter, hooks=hooks, ports=ports or {}), was_up=False)


def stay(settings: Settings, reporter: Reporter) -> None:
    """Wait beside a running stack until Ctrl-C, then stop it; returns too when it was stopped from elsewhere.

    Raises:
        StackError: a process could not be ended.
    """
    layout = layout_of(settings)
    with interruptible():
        try:
            _watch(Supervisor(layout.socket), reporter)
            reporter.notice("supervisord is gone: the stack was stopped from elsewhere, or it crashed")
        except KeyboardInterrupt:
            reporter.notice("Stopping; press Ctrl-C again to kill")
        with locked(layout, reporter):
            stop_stack(layout, reporter)


def down(settings: Settings, reporter: Reporter) -> bool:
    """Stop everything that runs in the data directory; False when nothing did.

    Raises:
        StackError: a process could not be ended.
    """
    layout = layout_of(settings)
    if not layout.run.exists():
        return False
    with locked(layout, reporter):
        return stop_stack(layout, reporter)


def _running(settings: Settings, layout: Layout) -> Addresses | None:
    """The addresses of the stack if it is wholly up."""
    ports = read_ports(layout.ports)
    if ports is None or not layout.record.exists() or not Supervisor(layout.socket).is_running():
        return None
    version = json.loads(layout.record.read_text())["version"]
    if version != VERSION:
        raise ConfigurationError(
            f"Retinue {version} is up in {layout.root}, and this is {VERSION}: stop it with `retinue down` first"
        )
    return addresses(settings, ports)


def _start(settings: Settings, reporter: Reporter, *, hooks: Hooks, ports: Mapping[str, int]) -> Addresses:
    layout = layout_of(settings)
    given = {"manager": settings.manager_port, **ports} if "manager_port" in settings.model_fields_set else ports
    # Until every server listens, lest a start in another data directory choose the same ports.
    with port_claims() as claims:
        with using(layout.root):
            chosen = choose_ports(given, claims, last=read_ports(layout.ports), host=settings.manager_host)
            stack = _lay_out(settings, layout, chosen, hooks=hooks)
        try:
            run_steps(stack.steps(), reporter, explain=stack.explain)
            layout.record.write_text(json.dumps({"version": VERSION}))
        except BaseException:
            stop_stack(layout, reporter)
            raise
    return stack.addresses


def _lay_out(settings: Settings, layout: Layout, chosen: LocalPorts, *, hooks: Hooks) -> Stack:
    local = addresses(settings, chosen)
    refuse_other_servers(settings, local)
    write_ports(layout.ports, chosen)
    keep_previous_logs(layout)
    prepare_socket(layout)
    return Stack(layout, local, programs(settings, hooks.servant_types, chosen), hooks)


def _watch(supervisor: Supervisor, reporter: Reporter) -> None:
    """Tell when a program has given up, until supervisord is gone."""
    told: set[tuple[str, int]] = set()
    while True:
        try:
            processes = supervisor.processes()
        except SupervisorUnreachable:
            return
        for process in processes:
            fallen = process.state in (ProcessState.FATAL, ProcessState.EXITED)
            if fallen and (process.name, process.started) not in told:
                told.add((process.name, process.started))
                reporter.notice(f"{process.name} does not run any more: see {process.log}")
        time.sleep(_LOOK_SECONDS)
