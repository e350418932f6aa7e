from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePath

import pytest

from cli.output import Column, one_line, print_block, print_fields, print_json, print_table
from retinue.states import JobState

PLACE = PurePath("a/b")


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    at: datetime
    state: JobState = JobState.PENDING
    length: timedelta = timedelta(seconds=1.5)
    place: PurePath = PLACE


BERLIN_NOON = datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=1)))

COLUMNS: list[Column[Row]] = [Column("Name", lambda row: row.name), Column("State", lambda row: row.state, right=True)]


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_json_has_times_in_utc_and_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"rows": [Row("Käthe", BERLIN_NOON)]})

    text = printed(capsys)
    assert json.loads(text) == {
        "rows": [
            {"name": "Käthe", "at": "2026-03-01T12:00:00Z", "state": "pending", "length": 1.5, "place": "a/b"},
        ]
    }
    assert "Käthe" in text


def test_json_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="object has no form in JSON"):
        print_json({"what": object()})


def test_a_table_has_a_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([Row("one", BERLIN_NOON), Row("two [bold]", BERLIN_NOON)], COLUMNS, empty="none")

    lines = [line.split() for line in printed(capsys).splitlines()]
    assert lines[0] == ["Name", "State"]
    assert lines[2:] == [["one", "pending"], ["two", "[bold]", "pending"]]


def test_a_long_cell_stays_on_its_line_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([Row("x" * 200, BERLIN_NOON)], COLUMNS, empty="none")

    assert "x" * 200 in printed(capsys)


def test_no_rows_are_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([], COLUMNS, empty="No such rows.")

    assert printed(capsys) == "No such rows.\n"


def test_fields_without_a_value_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields([("Job", 7), ("Error", None), ("Account", ""), ("Progress", 0)])

    assert printed(capsys) == "Job       7\nProgress  0\n"


def steer(text: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What all ways of printing make of `text`."""
    print_table([Row(text, BERLIN_NOON)], COLUMNS, empty="none")
    print_fields([("Error", text)])
    print_block("Result", {"text": text})
    return printed(capsys)


@pytest.mark.parametrize("control", ["\x1b[2J", "\x9b2J", "\x07", "\x7f", "\u202e"])
def test_no_value_steers_the_terminal(control: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = steer(f"before{control}after", capsys)

    assert control[0] not in shown
    assert "before" in shown


def test_one_line_is_short() -> None:
    value = "a\n  b\t" + "c" * 100
    assert one_line(value, width=10) == "a b ccccc…"
    assert one_line("short") == "short"
    assert one_line(datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03-01 00:00:00+00:00"
