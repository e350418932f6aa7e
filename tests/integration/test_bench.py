"""The bench: turns, the real thing in small, the results file, the tables and the chart. No peer is installed here."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import __main__ as program
from bench import chart, report
from bench.contestants import NOOP, Contestant, NotMeasured, drain, drain_for
from bench.figures import RETINUE, Figure, Options, Section
from bench.machine import machine
from bench.peers.catalogue import CATALOGUE
from bench.peers.environment import LOCK, NODE
from bench.results import Answer, Results
from bench.retinue_side import Retinue
from bench.scenarios import latency, throughput
from bench.scenarios.calls import requests
from bench.scenarios.ratios import of_best
from bench.side_by_side import Measured, take_turns

SVG = "{http://www.w3.org/2000/svg}"


class Double(Contestant):
    """Finishes what is filled in at once when it is let go, in any way that a test asks."""

    def __init__(self, name: str, *, broken: Exception | None = None) -> None:
        self.name, self.setting = name, f"{name}'s setting"
        self._broken = broken
        self.filled: list[int] = []
        self._held = 0
        self._finished = 0

    @contextmanager
    def up(self) -> Iterator[None]:
        if self._broken:
            raise self._broken
        yield

    def hold(self) -> None:
        assert self._held == 0

    def release(self) -> None:
        self._finished, self._held = self._finished + self._held, 0

    def fill(self, task: str, jobs: int) -> float:
        self.filled.append(jobs)
        self._held = jobs
        return 1.0

    def single(self, seconds: float) -> float:
        return 1.0

    def trickle(self, jobs: int) -> list[float]:
        return [1.0] * jobs

    def finished(self) -> int:
        return self._finished

    def settled(self) -> bool:
        return True

    def memory(self) -> float:
        return 1.0

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        assert condition(), what


def _figure(who: str, what: str, *values: float, goal: float | None = None) -> Figure:
    return Figure(who=who, what=what, unit="jobs/s", values=values, goal=goal)


@pytest.fixture
def results() -> Results:
    figures = [
        _figure(RETINUE, throughput.WHAT, 9_000, 12_000, 15_000, goal=11_000),
        _figure("Huey <&> Redis", throughput.WHAT, 4_000, 6_000, 5_000),
        Figure(who=RETINUE, what=latency.P99, unit="ms", values=(31.5,), goal=25, better="less"),
    ]
    section = Section(figures, {RETINUE: "two servants", "Huey <&> Redis": "threads"}, {"RQ": "no redis-server"})
    return Results({"throughput": Answer.of(section, Options(runs=3, seconds=1), began=0)})


def test_contestants_take_turns_and_who_fails_is_told() -> None:
    order: list[str] = []

    def once(contestant: Contestant) -> Measured:
        order.append(contestant.name)
        return {"rate": float(len(order))}

    gone = Double("Gone", broken=NotMeasured("no redis-server\nand a long log"))
    readings = take_turns([Double(RETINUE), gone, Double("Peer")], once, runs=2)
    assert order == [RETINUE, "Peer", RETINUE, "Peer"]
    assert dict(readings.of("rate")) == {RETINUE: (1.0, 3.0), "Peer": (2.0, 4.0)}
    assert readings.missing == {"Gone": "no redis-server"}


def test_retinue_s_own_failure_ends_the_measurement() -> None:
    with pytest.raises(RuntimeError, match="it broke"):
        take_turns([Double(RETINUE, broken=RuntimeError("it broke"))], lambda _contestant: {}, runs=1)


def test_a_drain_grows_to_the_size_that_was_asked_for_and_no_deeper_than_the_emulator_bears() -> None:
    double = Double("Peer")
    double.most = 1000
    drain_for(double, NOOP, seconds=5)
    assert double.filled == [300, 1000, 1000]


def test_a_share_is_of_the_best_of_the_peers_that_are_named() -> None:
    figures = [_figure(RETINUE, "x", 50), _figure("A, batch 1", "x", 20), _figure("A, batch 2", "x", 40)]
    (share,) = of_best([*figures, _figure("B", "x", 1000)], "x", peers=("A",), goal=100)
    assert (share.what, share.median, share.met) == ("x, of A, batch 2", 125, True)
    assert of_best(figures, "x", peers=("C",), goal=100) == []


@pytest.mark.timeout(120)
def test_retinue_is_measured_by_what_it_really_does() -> None:
    with machine() as host:
        retinue = Retinue(host)
        with retinue.up():
            before = requests(host)
            assert drain(retinue, NOOP, 200) > 0
            assert requests(host) > before
            waits = retinue.trickle(5)
            assert len(waits) == 5
            assert all(0 < wait < 10_000 for wait in waits)
            assert retinue.single(0.1) > 0
            assert retinue.memory() > 30


@pytest.mark.timeout(120)
def test_the_program_keeps_what_it_measured_and_writes_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    monkeypatch.setenv("RETINUE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(program, "PAGE", page)
    program.main(["retention", "--runs", "1", "--scale", "0.0001"])
    program.main(["--report"])
    stored = json.loads((tmp_path / "bench" / "results.json").read_text())
    assert list(stored) == ["retention"]
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "dropping a day" in text


def test_the_results_file_gives_back_what_was_written(tmp_path: Path, results: Results) -> None:
    results.write(tmp_path)
    assert Results.read(tmp_path) == results
    assert Results.read(tmp_path / "nowhere") == Results()


def test_the_tables_show_medians_goals_and_who_is_missing(results: Results) -> None:
    text = report.markdown(results)
    assert f"| **{RETINUE}** | 12,000 | – | – | – | – | 31.5 | – |" in text
    assert "| Huey <&> Redis | 5,000 |" in text
    assert "| 12,000 jobs/s | 9,000 – 15,000 | at least 11,000 jobs/s | met |" in text
    assert "| 31.5 ms |  | at most 25 ms | **missed** |" in text
    assert "- RQ (throughput): no redis-server" in text


def test_a_page_without_its_markers_is_left_alone(tmp_path: Path, results: Results) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{report.BEGIN}\n")
    with pytest.raises(ValueError, match="has no"):
        report.write_report(results, page)
    assert page.read_text() == f"{report.BEGIN}\n"


def test_the_chart_s_bars_are_in_order_and_in_proportion(results: Results) -> None:
    image = ET.fromstring(chart.draw(results.figures()))  # noqa: S314 - our own image
    groups = image.findall(f"{SVG}g")
    assert len(groups) == 2
    names = [text.text for text in groups[0].findall(f"{SVG}text")][2::2]
    own, other = groups[0].findall(f"{SVG}rect")
    assert names == [RETINUE, "Huey <&> Redis"]
    assert (own.get("class"), other.get("class")) == ("own", None)
    assert float(other.attrib["width"]) / float(own.attrib["width"]) == pytest.approx(5 / 12, rel=0.01)


def test_the_catalogue_names_programs_that_are_there_and_packages_by_their_hashes() -> None:
    names = [entry.name for entry in CATALOGUE]
    assert len(set(names)) == len(names)
    for entry in CATALOGUE:
        folder = NODE if entry.program.endswith(".js") else NODE.parent / "programs"
        assert (folder / entry.program).with_suffix(".js" if folder == NODE else ".py").is_file(), entry.name
    packages = json.loads((NODE / "package-lock.json").read_text())["packages"]
    assert all(package.get("integrity") for path, package in packages.items() if path)
    pins = [line for line in LOCK.read_text().splitlines() if "==" in line]
    assert all(line.endswith("\\") for line in pins)
