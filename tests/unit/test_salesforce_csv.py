"""CSV of Bulk results: read and written as the csv module does, whatever stands in the cells."""

from __future__ import annotations

import csv
import io
import random
from typing import Any, cast

import pytest

from infra.local.salesforce.bulk_results import Dialect
from servants.salesforce.client import errors
from servants.salesforce.client.body import Body
from servants.salesforce.client.csv_rows import csv_rows

#: What rows are taken apart by, and what looks like it.
_PIECES = ("", "a", "text", '"', '""', '","', ",", "\n", "\r\n", "\r", '"\n', '\n"', '",', "ü", " ", "true", "12.5")


def _rows(seed: int) -> list[list[str]]:
    chance = random.Random(seed)  # noqa: S311 - reproducible, no secret
    width = chance.randrange(1, 5)
    return [
        ["".join(chance.choices(_PIECES, k=chance.randrange(3))) for _ in range(width)]
        for _ in range(chance.randrange(20))
    ]


def _read(text: str) -> list[list[str]]:
    return list(csv_rows("the results", cast("Body", io.BytesIO(text.encode()))))


def _written(rows: list[list[Any]], *, ending: str = "\n", quoting: Any = csv.QUOTE_ALL) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator=ending, quoting=quoting).writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize(
    ("ending", "quoting"), [("\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)]
)
@pytest.mark.parametrize("seed", range(100))
def test_rows_are_read_as_they_were_written(seed: int, ending: str, quoting: Any) -> None:
    rows = _rows(seed)
    assert _read(_written(rows, ending=ending, quoting=quoting)) == rows


@pytest.mark.parametrize("seed", range(100))
def test_any_text_is_read_as_the_csv_module_reads_it(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - reproducible, no secret
    text = "".join(chance.choices([*_PIECES, '"a","b"\n', '"a"\n'], k=12))
    try:
        expected = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        with pytest.raises((errors.ServiceFailed, errors.UnexpectedAnswer)):
            _read(text)
    else:
        assert _read(text) == expected


def test_an_answer_that_ends_within_a_row_was_cut() -> None:
    with pytest.raises(errors.ServiceFailed, match="ends within a row"):
        _read('"Id","Name"\n"a","one"\n"b","tw')


@pytest.mark.parametrize("seed", range(50))
def test_the_sandbox_writes_what_the_csv_module_writes(seed: int) -> None:
    rows: list[list[Any]] = [[*row, None, 12.5, 7] for row in _rows(seed)]
    assert Dialect(",", "\n").text(rows) == _written(rows)
