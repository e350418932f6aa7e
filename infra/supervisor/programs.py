"""The programs of an installation, declared once: supervisord runs the same list locally and in production."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

from infra.supervisor.exits import START_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.ports import LocalPorts
    from infra.settings import Settings

#: How often a failed start is tried again, a second longer apart each time: eight minutes in all.
START_RETRIES = 30

#: Seconds between two edits of a demo calendar, two errands in the demo mailboxes, and two edits of the demo org.
DEMO_EDIT_SECONDS = 20
DEMO_ERRAND_SECONDS = 15
DEMO_DEAL_SECONDS = 10

#: What tells the event listener that a process ended.
EXIT_EVENTS = ("PROCESS_STATE_EXITED", "PROCESS_STATE_STOPPED", "PROCESS_STATE_BACKOFF", "PROCESS_STATE_FATAL")

#: What a servant needs, on top of its jobs' grace, to settle and leave.
_SETTLE_SECONDS = 10


class Tier(IntEnum):
    """Lower tiers start first and stop last; programs of one tier do not need one another to start."""

    GROUND = 100
    WATCH = 150
    ENGINE = 200
    FRONT = 300


@dataclass(frozen=True, slots=True)
class Program:
    """One program and how supervisord keeps it. With `processes` above 1 each is named `name-0`, `name-1` …

    One with `events` listens to these events of supervisord's on its standard input.
    """

    name: str
    description: str
    command: tuple[str, ...]
    tier: Tier
    processes: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: Literal["TERM", "INT"] = "TERM"
    stop_seconds: int = 10
    start_seconds: int = START_SECONDS
    start_retries: int = START_RETRIES
    only_local: bool = False
    events: tuple[str, ...] = ()

    @property
    def process_names(self) -> tuple[str, ...]:
        """Its processes as supervisord names them."""
        if self.processes == 1:
            return (self.name,)
        return tuple(f"{self.name}-{number}" for number in range(self.processes))


def programs(settings: Settings, servant_types: Mapping[str, int], local: LocalPorts | None) -> list[Program]:
    """All programs in the order in which they start; those of the embedded stack only with `local`.

    `servant_types` says how many processes each job type gets. A type with none has no program.
    """
    embedded = [] if local is None else _embedded(settings, local)
    servants = [_servant(settings, job_type, count) for job_type, count in sorted(servant_types.items()) if count]
    ordered = [*embedded, _listener(), _scheduler(), *servants, _manager()]
    return sorted(ordered, key=lambda program: program.tier)


def servant_program(job_type: str) -> str:
    """The name of the program that performs jobs of this type."""
    return f"servant-{job_type.replace('.', '-')}"


def _listener() -> Program:
    """It starts before those whose end it notes, and stops after them."""
    return Program(
        name="exits",
        description="notes how processes end",
        command=_python("infra.supervisor.event_listener"),
        tier=Tier.WATCH,
        events=EXIT_EVENTS,
    )


def _scheduler() -> Program:
    return Program(
        name="scheduler",
        description="decides which jobs run and when",
        command=_retinue("scheduler"),
        tier=Tier.ENGINE,
        stop_seconds=15,
    )


def _servant(settings: Settings, job_type: str, count: int) -> Program:
    return Program(
        name=servant_program(job_type),
        description=f"performs {job_type} jobs",
        command=_retinue("servant", job_type),
        tier=Tier.ENGINE,
        processes=count,
        stop_seconds=math.ceil(settings.drain_grace_seconds) + _SETTLE_SECONDS,
    )


def _manager() -> Program:
    return Program(
        name="manager",
        description="shows jobs and servants to operators",
        command=_retinue("manager"),
        tier=Tier.FRONT,
    )


def _embedded(settings: Settings, ports: LocalPorts) -> list[Program]:
    data = settings.data_dir
    return [
        Program(
            name="postgres",
            description="PostgreSQL",
            command=_local("postgres_server", "--data", f"{data}/postgres", "--port", str(ports.postgres)),
            tier=Tier.GROUND,
            stop_signal="INT",
            stop_seconds=60,
            only_local=True,
        ),
        *_sqs(settings, ports),
        Program(
            name="caldav",
            description="CalDAV server with the demo calendars",
            command=_local("caldav_server", "--port", str(ports.caldav), "--data", f"{data}/caldav"),
            tier=Tier.GROUND,
            only_local=True,
        ),
        Program(
            name="imap",
            description="IMAP server with the demo mailboxes",
            command=_local("imap_server", "--port", str(ports.imap), "--data", f"{data}/imap"),
            tier=Tier.GROUND,
            only_local=True,
        ),
        Program(
            name="salesforce",
            description="sandbox Salesforce org with demo records",
            command=_local("salesforce.server", "--port", str(ports.salesforce), "--data", f"{data}/salesforce"),
            tier=Tier.GROUND,
            stop_seconds=20,
            only_local=True,
        ),
        *_demo(ports, data),
    ]


def _demo(ports: LocalPorts, data: Path) -> list[Program]:
    """Who keeps the demo moving."""
    return [
        Program(
            name="demo-editor",
            description="keeps editing the demo calendars",
            command=_local(
                *("demo_editor", "--url", f"http://127.0.0.1:{ports.caldav}", "--data", f"{data}/caldav"),
                *("--interval", str(DEMO_EDIT_SECONDS)),
            ),
            tier=Tier.FRONT,
            stop_seconds=20,
            only_local=True,
        ),
        Program(
            name="demo-postman",
            description="keeps delivering mail to the demo mailboxes",
            command=_local(
                *("demo_postman", "--port", str(ports.imap), "--data", f"{data}/imap"),
                *("--interval", str(DEMO_ERRAND_SECONDS)),
            ),
            tier=Tier.FRONT,
            stop_seconds=20,
            only_local=True,
        ),
        Program(
            name="demo-salesperson",
            description="keeps working in the demo org",
            command=_local(
                *("salesforce.demo_salesperson", "--url", f"http://127.0.0.1:{ports.salesforce}"),
                *("--interval", str(DEMO_DEAL_SECONDS)),
            ),
            tier=Tier.FRONT,
            stop_seconds=20,
            only_local=True,
        ),
    ]


def _sqs(settings: Settings, ports: LocalPorts) -> list[Program]:
    if settings.transport != "sqs":
        return []
    command = _local("sqs_server", "--port", str(ports.sqs))
    return [Program(name="sqs", description="SQS server", command=command, tier=Tier.GROUND, only_local=True)]


def _retinue(*arguments: str) -> tuple[str, ...]:
    return (*_python("cli.main"), *arguments)


def _local(module: str, *arguments: str) -> tuple[str, ...]:
    return (*_python(f"infra.local.{module}"), *arguments)


def _python(module: str) -> tuple[str, ...]:
    """This interpreter, deaf to what lies in the working directory: a folder `manager` there must not be imported."""
    return (sys.executable, "-P", "-m", module)
