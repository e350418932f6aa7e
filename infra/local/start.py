"""The start of an embedded stack: which steps there are, and what each waits for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from infra.local.environment import Addresses, program_environment
from infra.local.layout import Layout
from infra.local.readiness import (
    ProgramWatch,
    missing_answer,
    missing_database,
    missing_greeting,
    missing_listener,
    missing_ok,
)
from infra.local.steps import Patience, StackError, Step, StepFailed, reason
from infra.supervisor.client import Supervisor, last_lines
from infra.supervisor.programs import Program, Tier
from infra.supervisor.render import Place, render_supervisord

_LOG_LINES = 15

#: How long the engine gets until it is ready, once everything below it is.
READY_SECONDS = 60

#: How long a server of the ground tier gets until it answers.
SERVER_SECONDS = 30

_SUPERVISOR = "supervisor"


@dataclass(frozen=True)
class Hooks:
    """What a start needs of the layers above: it calls these, and shows what they raise.

    `migrate` gets the database's URL; those whose names begin with `seed` get every address.
    `missing_servants` gets the database's URL and returns None when every servant has reported, else what is missing.
    """

    servant_types: Mapping[str, int]
    migrate: Callable[[str], object]
    seed_calendars: Callable[[Addresses], object]
    seed_mail: Callable[[Addresses], object]
    seed_salesforce: Callable[[Addresses], object]
    seed_accounts: Callable[[Addresses], object]
    missing_servants: Callable[[str], str | None]


@dataclass(frozen=True)
class Stack:
    """One stack about to be started."""

    layout: Layout
    addresses: Addresses
    programs: Sequence[Program]
    hooks: Hooks

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.layout.socket)

    def has(self, program: str) -> bool:
        """Whether the stack runs this program; it has no SQS server where PostgreSQL carries the messages."""
        return any(declared.name == program for declared in self.programs)

    def steps(self) -> list[Step]:
        """All steps of the start, in the order in which they are shown."""
        return [_supervisor_step(self), *_ground_steps(self), *_data_steps(self), *_engine_steps(self)]

    def explain(self, step: Step, error: Exception) -> StackError:
        """The error for a step that failed, with the last lines of the log that tells most."""
        at_fault = error.process if isinstance(error, StepFailed) else None
        process = at_fault or step.log
        log = self.layout.logs / f"{process or 'supervisord'}.log"
        return StackError(
            step.name,
            reason(error),
            program=process,
            log_tail=last_lines(log, _LOG_LINES),
            advice=f"{step.advice} The whole log is {log}".strip(),
        )


def _supervisor_step(stack: Stack) -> Step:
    return Step(_SUPERVISOR, lambda patience: _launch(stack, patience), seconds=15)


def _launch(stack: Stack, patience: Patience) -> None:
    """Start supervisord, which leaves this process's session and keeps no terminal."""
    layout = stack.layout
    place = Place(socket=layout.socket, pidfile=layout.pidfile, log_dir=layout.logs)
    layout.configuration.write_text(render_supervisord(stack.programs, place, autostart=False))
    done = subprocess.run(  # noqa: S603 - supervisor's own module and our configuration
        [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(layout.configuration)],
        env=program_environment(stack.addresses, layout.socket),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StepFailed(f"supervisord ended with {done.returncode}: {done.stdout.strip()}")
    patience.until(lambda: None if stack.supervisor.is_running() else f"no answer at {layout.socket}")


def _ground_steps(stack: Stack) -> Iterator[Step]:
    """The servers that everything else stands on; they need only supervisord."""
    address = stack.addresses
    yield _program_step(
        stack,
        "postgres",
        lambda: missing_database(address.database_url),
        seconds=90,
        advice="After a crash it first recovers; wait and try again if the log says so.",
    )
    servers = {"sqs": address.sqs_endpoint_url, "caldav": address.caldav_url, "salesforce": address.salesforce_url}
    for name, url in servers.items():
        if stack.has(name):
            missing = partial(_missing_server, stack, name, url, answer=missing_answer)
            yield _program_step(stack, name, missing, seconds=SERVER_SECONDS)
    yield _program_step(stack, "imap", partial(_missing_imap, stack, address.imap_port), seconds=SERVER_SECONDS)


def _data_steps(stack: Stack) -> Iterator[Step]:
    yield Step(
        "migrations",
        lambda _: stack.hooks.migrate(stack.addresses.database_url),
        after=frozenset({"postgres"}),
        log="postgres",
        seconds=60,
    )
    yield Step(
        "demo calendars",
        lambda _: stack.hooks.seed_calendars(stack.addresses),
        after=frozenset({"caldav"}),
        log="caldav",
        seconds=60,
    )
    yield Step(
        "demo mail",
        lambda _: stack.hooks.seed_mail(stack.addresses),
        after=frozenset({"imap"}),
        log="imap",
        seconds=60,
    )
    yield Step(
        "demo org",
        lambda _: stack.hooks.seed_salesforce(stack.addresses),
        after=frozenset({"salesforce"}),
        log="salesforce",
        seconds=60,
    )
    yield Step(
        "demo accounts",
        lambda _: stack.hooks.seed_accounts(stack.addresses),
        after=frozenset({"migrations", "demo calendars", "demo mail", "demo org"}),
        log="postgres",
        seconds=60,
    )
    yield _program_step(stack, "demo-editor", after={"demo calendars"})
    yield _program_step(stack, "demo-postman", after={"demo mail"})
    yield _program_step(stack, "demo-salesperson", after={"demo org"})


def _engine_steps(stack: Stack) -> Iterator[Step]:
    needs = {"migrations", "sqs"} if stack.has("sqs") else {"migrations"}
    engine = [program.name for program in stack.programs if program.tier in (Tier.WATCH, Tier.ENGINE)]
    for name in engine:
        yield _program_step(stack, name, after=needs)
    yield Step(
        "first heartbeats",
        _waiting(stack, lambda: stack.hooks.missing_servants(stack.addresses.database_url)),
        after=frozenset(engine),
        seconds=READY_SECONDS,
    )
    yield _program_step(stack, "manager", after=needs)
    ready = partial(missing_ok, path="/readyz")
    yield Step(
        "manager ready",
        _waiting(stack, partial(_missing_server, stack, "manager", stack.addresses.manager_url, answer=ready)),
        after=frozenset({"manager"}),
        log="manager",
        seconds=READY_SECONDS,
    )


def _missing_server(stack: Stack, program: str, url: str, *, answer: Callable[[str], str | None]) -> str | None:
    """What the program's server lacks: another's server at the same port may answer as well."""
    port = urlsplit(url).port
    if port is None:
        raise ValueError(f"{url} names no port")
    return missing_listener(stack.supervisor, program, port=port) or answer(url)


def _missing_imap(stack: Stack, port: int) -> str | None:
    return missing_listener(stack.supervisor, "imap", port=port) or missing_greeting(port)


def _program_step(
    stack: Stack,
    name: str,
    missing: Callable[[], str | None] = lambda: None,
    *,
    after: Iterable[str] = (),
    seconds: float = 30,
    advice: str = "",
) -> Step:
    """Start a program, and wait until nothing is missing."""

    def run(patience: Patience) -> None:
        stack.supervisor.start(name)
        _waiting(stack, missing, program=name)(patience)

    log = next(program.process_names[0] for program in stack.programs if program.name == name)
    return Step(name, run, after=frozenset({_SUPERVISOR, *after}), log=log, seconds=seconds, advice=advice)


def _waiting(
    stack: Stack, missing: Callable[[], str | None], *, program: str | None = None
) -> Callable[[Patience], None]:
    """Wait until nothing is missing, as long as the program, or every one that was started, keeps running."""

    def run(patience: Patience) -> None:
        watch = ProgramWatch(stack.supervisor, program=program)

        def look() -> str | None:
            watch.require_alive()
            return missing()

        patience.until(look)

    return run
