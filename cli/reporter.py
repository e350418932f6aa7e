"""How the steps of a start or a stop are shown: drawn in place on a terminal, line by line elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.live import Live

    from infra.local.steps import Reporter, StackError


@contextmanager
def reporter() -> Iterator[Reporter]:
    """The reporter that suits standard output."""
    if not sys.stdout.isatty():
        yield LineReporter()
        return
    from rich.live import Live

    drawing = LiveReporter(Live(refresh_per_second=10))
    try:
        yield drawing
    finally:
        drawing.close()


class LineReporter:
    """One line for each step that ends and each notice."""

    def step_started(self, step: str) -> None:
        """Its end is the news."""

    def step_done(self, step: str, seconds: float) -> None:
        click.echo(f"{step}: {seconds:.1f} s")

    def step_failed(self, step: str, error: StackError) -> None:
        click.echo(f"{step}: failed")

    def notice(self, text: str) -> None:
        click.echo(text)


class LiveReporter:
    """Every step on a line of its own that turns, and is ticked when it is done."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._lines: dict[str, object] = {}

    def step_started(self, step: str) -> None:
        from rich.spinner import Spinner

        # Not before there is something to draw: it redraws many times a second.
        self._live.start()
        self._draw(step, Spinner("dots", text=f" {step}", style="cyan"))

    def step_done(self, step: str, seconds: float) -> None:
        from rich.text import Text

        self._draw(step, Text.assemble(("✓ ", "green"), f" {step} ", (f"{seconds:.1f} s", "dim")))

    def step_failed(self, step: str, error: StackError) -> None:
        from rich.text import Text

        self._draw(step, Text.assemble(("✗ ", "bold red"), f" {step}"))

    def notice(self, text: str) -> None:
        self._live.console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        """Leave the lines as they are."""
        self._live.stop()

    def _draw(self, step: str, line: object) -> None:
        from rich.console import Group

        self._lines[step] = line
        self._live.update(Group(*self._lines.values()))  # type: ignore[arg-type] # rich's own texts and spinners
