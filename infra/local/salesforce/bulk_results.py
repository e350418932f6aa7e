"""The result of a query job: gzip members of some thousand rows each, so that a page is sent as it lies on disk.

Members of gzip stand one after another as one stream (RFC 1952 §2.2). A page whose bounds are those of members needs no
work at all; another is cut out of the members it touches. Every page begins with the header.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

#: Rows of one member.
MEMBER_ROWS = 2000

#: How a value that is something is shown, where it is not its own text.
Form = Callable[[Any], str]

#: Nothing is made smaller: what is sent stays on this machine, whose processor the reader needs.
_LEVEL = 0


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a job's CSV is written: every cell quoted, as Salesforce does."""

    delimiter: str
    line_ending: str

    def text(self, rows: Iterable[Sequence[Any]]) -> str:
        """Null is nothing."""
        return self.lines([_texts(column) for column in zip(*rows, strict=True)])

    def lines(self, columns: Sequence[Sequence[str]]) -> str:
        """The lines of these columns. Much faster by column than csv.writer, which looks at each character."""
        between, end = f'"{self.delimiter}"', f'"{self.line_ending}'
        lines = [f'"{line}{end}' for line in map(between.join, zip(*map(_escaped, columns), strict=True))]
        return "".join(lines)


def _texts(column: Sequence[Any], form: Form | None = None) -> list[str]:
    if form is not None:
        # Equal ones once: whole seconds and amounts repeat themselves.
        known = {one: "" if one is None else form(one) for one in {*column}}
        return [known[one] for one in column]
    return [one if type(one) is str else "" if one is None else str(one) for one in column]


def _escaped(column: Sequence[str]) -> Sequence[str]:
    return [one.replace('"', '""') for one in column] if '"' in "".join(column) else column


class ResultWriter:
    """Writes a result, a member at a time; memory holds one member.

    Of each row the first cells are shown, as many as there are labels, each in its form if it has one.
    """

    def __init__(self, place: Path, columns: Sequence[tuple[str, Form | None]], dialect: Dialect) -> None:
        self._place = place
        self._columns = columns
        self._dialect = dialect
        self.rows = 0
        self.bytes = 0

    def write(self, rows: Iterator[Sequence[Any]], *, goes_on: Callable[[int], bool]) -> None:
        """Write all rows; `goes_on` gets how many there are after each member and may end it."""
        ends: list[int] = []
        with (self._place / "rows.csv.gz").open("wb") as file:
            while (batch := list(islice(rows, MEMBER_ROWS))) and goes_on(self.rows):
                text = self._dialect.lines(self._shown(batch)).encode()
                self.rows += len(batch)
                self.bytes += len(text)
                file.write(gzip.compress(text, _LEVEL, mtime=0))
                ends.append(file.tell())
        about = {"header": [label for label, _ in self._columns], "rows": self.rows, "ends": ends}
        (self._place / "result.json").write_text(json.dumps(about))

    def _shown(self, batch: Sequence[Sequence[Any]]) -> list[list[str]]:
        columns = list(zip(*batch, strict=True))
        return [_texts(column, form) for column, (_, form) in zip(columns, self._columns, strict=False)]


class Result:
    """A result that was written."""

    def __init__(self, place: Path, dialect: Dialect) -> None:
        about = json.loads((place / "result.json").read_text())
        self._path = place / "rows.csv.gz"
        self._header: list[str] = about["header"]
        self._ends: list[int] = about["ends"]
        self._dialect = dialect
        self.rows: int = about["rows"]

    def members(self, first: int, last: int) -> Iterator[bytes]:
        """The gzip members of a page with the rows from `first` up to, not with, `last`."""
        yield gzip.compress(self._dialect.text([self._header]).encode(), _LEVEL, mtime=0)
        with self._path.open("rb") as file:
            for number in range(first // MEMBER_ROWS, -(-last // MEMBER_ROWS)):
                yield self._cut(file, number, first=first, last=last)

    def _cut(self, file: io.BufferedReader, number: int, *, first: int, last: int) -> bytes:
        begin = self._ends[number - 1] if number else 0
        file.seek(begin)
        member = file.read(self._ends[number] - begin)
        low, high = number * MEMBER_ROWS, min((number + 1) * MEMBER_ROWS, self.rows)
        if first <= low and high <= last:
            return member
        rows = csv.reader(io.StringIO(gzip.decompress(member).decode(), newline=""), delimiter=self._dialect.delimiter)
        kept = islice(rows, max(first, low) - low, min(last, high) - low)
        return gzip.compress(self._dialect.text(kept).encode(), _LEVEL, mtime=0)
