"""A seeded run of faults: what goes wrong when, on a fleet whose every process reaches the servers by wires of its own.

The script is drawn from the seed alone, before anything starts. When a rule breaks, seed and script are what is needed
to play it again; what the processes make of it still differs from run to run.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.support.chaos_fleet import ChaosFleet
from tests.support.chaos_work import Client

#: How long the faults go on, and how long each lasts at most; in seconds.
CHAOS_SECONDS = 12.0
LONGEST_SECONDS = 3.0

#: Faults drawn for one run.
FAULTS = 14

#: What is drawn how often.
WEIGHTS = {
    "kill": 5,
    "stop": 3,
    "cut": 4,
    "silence": 3,
    "clock": 2,
    "full disk": 1,
    "lose messages": 2,
    "double messages": 2,
    "send garbage": 1,
}

#: Of these, one at a time befalls a process.
FAMILIES = {"kill": "process", "stop": "process", "cut": "wire", "silence": "wire"}


class Fault(NamedTuple):
    """Something that goes wrong `at` so many seconds from the start, for so long; `target` is what it befalls."""

    at: float
    kind: str
    target: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.at:5.1f} s: {self.kind} {self.target}, mended after {self.seconds:.1f} s"


def draw_script(
    seed: int, processes: list[str], *, faults: int = FAULTS, seconds: float = CHAOS_SECONDS
) -> list[Fault]:
    """The faults of a seed, in the order in which they begin."""
    draw = random.Random(seed)  # noqa: S311 - a seed that repeats is the purpose
    kinds = draw.choices(list(WEIGHTS), weights=list(WEIGHTS.values()), k=faults)
    made = [
        Fault(draw.uniform(0, seconds), kind, _target(draw, kind, processes), draw.uniform(0.3, LONGEST_SECONDS))
        for kind in kinds
    ]
    return sorted(made)


def _target(draw: random.Random, kind: str, processes: list[str]) -> str:
    if kind in {"kill", "stop"}:
        return draw.choice([*processes, "postgres", "sqs"])
    if kind in {"cut", "silence"}:
        return f"{draw.choice(processes)} {draw.choice(['postgres', 'sqs'])}"
    if kind == "clock":
        return f"{draw.choice(processes)} {draw.choice([-86_400, -3600, -90, 90, 3600, 86_400]):+d}"
    return ""


@dataclass
class Player:
    """Lets a script happen to a fleet."""

    fleet: ChaosFleet
    client: Client
    #: What undoes a fault, and when, in seconds from the start.
    _mends: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    #: What is broken now: a second fault of that kind on the same target would undo the first too soon.
    _broken: set[tuple[str, str]] = field(default_factory=set)

    def play(self, script: list[Fault]) -> None:
        """Let it happen, with work coming in all along; at the end everything is mended."""
        began = time.monotonic()
        coming = list(script)
        while coming or self._mends:
            now = time.monotonic() - began
            while coming and coming[0].at <= now:
                self._begin(coming.pop(0))
            self._mend(now)
            self.fleet.revive_all()
            if ("process", "postgres") not in self._broken:
                # A stopped server would keep the client, and with it this loop, waiting for ever.
                self.client.work()
            time.sleep(0.05)  # the pace of the script and of the client

    def _begin(self, fault: Fault) -> None:
        program = fault.target.partition(" ")[0]
        broken = (FAMILIES.get(fault.kind, fault.kind), program)
        if broken in self._broken or not self._is_up(program):
            return
        self._broken.add(broken)
        mend = self._deed(fault)

        def undo() -> None:
            mend()
            self._broken.discard(broken)

        self._mends.append((fault.at + fault.seconds, undo))

    def _is_up(self, program: str) -> bool:
        return program == "" or program in self.fleet.machine.processes

    def _deed(self, fault: Fault) -> Callable[[], None]:
        """Do it; what mends it."""
        target, _, detail = fault.target.partition(" ")
        if fault.kind == "kill":
            self.fleet.kill(target)
            return lambda: self.fleet.restart(target)
        if fault.kind == "stop":
            return self.fleet.freeze(target)
        if fault.kind in {"cut", "silence"}:
            wire = self.fleet.wires[target, detail]
            wire.cut() if fault.kind == "cut" else wire.silence()
            return wire.heal
        if fault.kind == "clock":
            self.fleet.set_clock(target, int(detail))
            return lambda: self.fleet.set_clock(target, 0)
        if fault.kind == "full disk":
            return self.fleet.fill_disk()
        if ("process", "postgres") not in self._broken:
            self.client.meddle(fault.kind)
        return lambda: None

    def _mend(self, now: float) -> None:
        due = [mend for at, mend in self._mends if at <= now]
        self._mends = [(at, mend) for at, mend in self._mends if at > now]
        for mend in due:
            mend()
