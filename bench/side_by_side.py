"""Runs the contestants in turns: Retinue, a peer, the next peer, and again, so that the machine's noise meets all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console

from bench.contestants import Contestant, NotMeasured
from bench.figures import RETINUE, Options
from bench.machine import Machine, machine
from bench.peers.catalogue import CATALOGUE
from bench.peers.peer import Entry, Peer
from bench.retinue_side import FORMS, Retinue

#: What one run of one contestant measured, by name.
Measured = Mapping[str, float]

_console = Console(stderr=True)


@dataclass
class Readings:
    """By contestant and name, a value for each run."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, contestant: Contestant, measured: Measured) -> None:
        self.settings[contestant.name] = contestant.setting
        mine = self.values.setdefault(contestant.name, {})
        for name, value in measured.items():
            mine.setdefault(name, []).append(value)

    def of(self, what: str) -> Iterator[tuple[str, tuple[float, ...]]]:
        """Each contestant that has this measurement, and its values."""
        for who, mine in self.values.items():
            if what in mine:
                yield who, tuple(mine[what])


def side_by_side(
    options: Options, measure: Callable[[Contestant], Measured], *, among: Callable[[Entry], bool] = lambda _entry: True
) -> Readings:
    """Measure each contestant once a run, in turns, each started clean.

    A peer that cannot be had, or fails, is reported as missing and why; Retinue's own failure ends the measurement.
    """
    with machine() as host:
        return take_turns(_contestants(host, options, among), measure, runs=options.runs)


def take_turns(contestants: Sequence[Contestant], measure: Callable[[Contestant], Measured], *, runs: int) -> Readings:
    """The first run of every contestant, then the second; who fails once is left out from then on."""
    readings = Readings()
    for run in range(runs):
        for contestant in contestants:
            if contestant.name not in readings.missing:
                _console.print(f"[dim]  run {run + 1} of {runs}: {contestant.name}[/]")
                _measure(contestant, measure, readings)
    return readings


def _contestants(host: Machine, options: Options, among: Callable[[Entry], bool]) -> Sequence[Contestant]:
    peers = [entry for entry in CATALOGUE if among(entry) and _chosen(entry, options.peers)]
    return [*(Retinue(host, form) for form in FORMS), *(Peer(host, entry, home=options.home) for entry in peers)]


def _chosen(entry: Entry, wanted: tuple[str, ...] | None) -> bool:
    return wanted is None or any(part.lower() in entry.name.lower() for part in wanted)


def _measure(contestant: Contestant, measure: Callable[[Contestant], Measured], readings: Readings) -> None:
    try:
        with contestant.up():
            readings.add(contestant, measure(contestant))
    except (NotMeasured, RuntimeError, OSError) as error:
        if contestant.name.startswith(RETINUE):
            raise
        _console.print(f"[yellow]{contestant.name}: {error}[/]", markup=True, highlight=False)
        readings.missing[contestant.name] = str(error).splitlines()[0]
