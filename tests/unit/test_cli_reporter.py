from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console
from rich.live import Live

from cli.reporter import LineReporter, LiveReporter, reporter
from infra.local.steps import Reporter, StackError


def tell(told: Reporter) -> None:
    """A start in which one step is done and one fails."""
    told.step_started("postgres")
    told.notice("a [bold]notice[/]")
    told.step_done("postgres", 1.23)
    told.step_started("manager")
    told.step_failed("manager", StackError("manager", "it left"))


def test_without_a_terminal_each_end_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell(LineReporter())

    assert capsys.readouterr().out == "a [bold]notice[/]\npostgres: 1.2 s\nmanager: failed\n"


def test_what_is_drawn_stays_when_it_is_over() -> None:
    screen = io.StringIO()
    drawing = LiveReporter(Live(console=Console(file=screen, force_terminal=False), auto_refresh=False))

    tell(drawing)
    drawing.close()

    assert screen.getvalue().splitlines() == ["a [bold]notice[/]", "✓  postgres 1.2 s", "✗  manager"]


def test_the_terminal_decides_how_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with reporter() as told:
        assert isinstance(told, LineReporter)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with reporter() as told:
        assert isinstance(told, LiveReporter)
