"""The start of an embedded stack: which steps there are, and what each waits for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from infra.local.environment import Addresses, program_environment
from infra.local.layout import Layout
from infra.local.readiness import ProgramWatch, missing_answer, missing_database, missing_ok
from infra.local.steps import Patience, StackError, Step, StepFailed
from infra.supervisor.client import Supervisor, last_lines
from infra.supervisor.programs import Program, Tier
from infra.supervisor.render import Place, render_supervisord

_LOG_LINES = 15

_SUPERVISOR = "supervisor"


@dataclass(frozen=True)
class Hooks:
    """What a start needs of the layers above: it calls these, and shows what they raise.

    `migrate` gets the database's URL and `seed` every address. `missing_servants` gets the database's URL and returns
    None when every servant has reported, else what is missing.
    """

    servant_types: Mapping[str, int]
    migrate: Callable[[str], object]
    seed: Callable[[Addresses], object]
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

    def steps(self) -> list[Step]:
        """All steps of the start, in the order in which they are shown."""
        return [_supervisor_step(self), *_ground_steps(self), *_data_steps(self), *_engine_steps(self)]

    def explain(self, step: Step, reason: str) -> StackError:
        """The error for a step that failed, with the last lines of the log that tells most."""
        log = self.layout.logs / f"{step.log or 'supervisord'}.log"
        return StackError(
            step.name,
            reason,
            program=step.log,
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
    yield _program_step(stack, "sqs", lambda: missing_answer(address.sqs_endpoint_url))
    yield _program_step(stack, "caldav", lambda: missing_answer(address.caldav_url))


def _data_steps(stack: Stack) -> Iterator[Step]:
    yield Step(
        "migrations",
        lambda _: stack.hooks.migrate(stack.addresses.database_url),
        after=frozenset({"postgres"}),
        log="postgres",
        seconds=60,
    )
    yield Step(
        "demo accounts",
        lambda _: stack.hooks.seed(stack.addresses),
        after=frozenset({"migrations", "caldav"}),
        log="caldav",
        seconds=60,
    )
    yield _program_step(stack, "demo-editor", after={"demo accounts"})


def _engine_steps(stack: Stack) -> Iterator[Step]:
    needs = {"migrations", "sqs"}
    engine = [program for program in stack.programs if program.tier is Tier.ENGINE]
    for program in engine:
        yield _program_step(stack, program.name, after=needs)
    yield Step(
        "first heartbeats",
        lambda patience: patience.until(lambda: stack.hooks.missing_servants(stack.addresses.database_url)),
        after=frozenset(program.name for program in engine),
        log=engine[-1].process_names[0],
    )
    manager = stack.addresses.manager_url
    yield _program_step(stack, "manager", lambda: missing_ok(manager, path="/readyz"), after=needs)


def _program_step(
    stack: Stack,
    name: str,
    missing: Callable[[], str | None] | None = None,
    *,
    after: Iterable[str] = (),
    seconds: float = 30,
    advice: str = "",
) -> Step:
    """Start a program and wait until nothing is missing; without such a check, until it has stayed up for a moment."""

    def run(patience: Patience) -> None:
        watch = ProgramWatch(stack.supervisor, name)

        def look() -> str | None:
            starting = watch.starting()
            return missing() if missing else starting

        stack.supervisor.start(name)
        patience.until(look)

    log = next(program.process_names[0] for program in stack.programs if program.name == name)
    return Step(name, run, after=frozenset({_SUPERVISOR, *after}), log=log, seconds=seconds, advice=advice)
