"""What commands print: JSON for machines, tables and fields for people."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

#: Wide enough that no cell is folded where no person looks.
_PIPE_WIDTH = 400


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column of a table: its title, and what it says of a row."""

    title: str
    text: Callable[[T], object]
    right: bool = False
    style: Callable[[T], str] | None = None


def print_json(value: object) -> None:
    """`value` as JSON: dataclasses as objects, times in UTC (`2026-03-01T12:00:00Z`), lengths in seconds."""
    click.echo(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def print_table(rows: Sequence[T], columns: Iterable[Column[T]], *, empty: str) -> None:
    """A table of `rows`, or the sentence `empty` where there are none."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    if not rows:
        click.echo(empty)
        return
    chosen = list(columns)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in chosen:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=column.right)
    for row in rows:
        cells = (Text(_shown(column.text(row)), style=column.style(row) if column.style else "") for column in chosen)
        table.add_row(*cells)
    console().print(table)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """One line for each field that has a value, the values in one column."""
    said = [(name, _shown(value)) for name, value in fields if value is not None and value != ""]
    width = max((len(name) for name, _ in said), default=0)
    for name, value in said:
        click.echo(f"{click.style(name.ljust(width), dim=True)}  {value}")


def print_block(title: str, value: object) -> None:
    """A JSON value under its title."""
    click.echo(f"\n{click.style(title, dim=True)}\n{_shown(json.dumps(value, indent=2, ensure_ascii=False))}")


def console() -> Console:
    """Standard output for rich, as wide as the terminal, or wide enough for whoever reads the pipe."""
    from rich.console import Console

    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)


def one_line(value: object, *, width: int = 80) -> str:
    """`value` on one line, cut where it is longer than `width`."""
    text = _shown(" ".join(str(value).split()))
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _shown(value: object) -> str:
    """Text that cannot steer the terminal: a job's error or a provider's name may hold anything."""
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Enum():
            return value.value
        case PurePath():
            return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
