"""Values in one form, ranges of Ids, queries, the log in parts, costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.postgres.record_values import canonical, version_of
from infra.postgres.salesforce_fields import Drift, Retyped, StaleReason
from retinue.errors import PermanentError
from servants.salesforce import drift as drifts
from servants.salesforce import quota, soql
from servants.salesforce.client.errors import TooManyIds, WindowTooOld
from servants.salesforce.client.values import Described
from servants.salesforce.contents import Reading, form_of
from servants.salesforce.deletes import read_log
from servants.salesforce.id_ranges import EVERYTHING, IdRange, split
from servants.salesforce.position import LONGEST_WINDOW, Position
from servants.salesforce.soql import Key

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
IDS = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", min_size=15, max_size=15)


#: Cells of Bulk results by their field's type.
_STAMPS = st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat(timespec="seconds")[:19] + ".000Z")
CELLS = {
    "string": st.text() | st.sampled_from(["", "null", '"', "\\", "%s", "\0", "\ud83d", "\u2028", "a\nb"]),
    "boolean": st.sampled_from(["true", "false", "", "TRUE", "1"]),
    "double": (st.floats(allow_nan=False, allow_infinity=False) | st.integers()).map(str) | st.just(""),
    "datetime": _STAMPS | st.sampled_from(["", "2026-03-01T12:00:00.250Z", "2026-03-01T12:00:00+02:00"]),
    "anyType": st.text() | _STAMPS,
}


@dataclass(frozen=True)
class Named:
    name: str
    type: str


@pytest.mark.parametrize(
    ("kind", "json", "csv"),
    [
        ("string", "Ann", "Ann"),
        ("string", None, ""),
        ("string", "12.0", "12.0"),
        ("boolean", True, "true"),
        ("boolean", False, "false"),
        ("double", 12.0, "12"),
        ("double", 12, "12.0"),
        ("currency", 1250000.0, "1.25E6"),
        ("percent", 0.1, "0.1"),
        ("int", 7, "7"),
        ("int", None, ""),
        ("datetime", "2026-03-01T12:00:00.000+0000", "2026-03-01T12:00:00.000Z"),
        ("datetime", "2026-03-01T12:00:00.250+0000", "2026-03-01T12:00:00.250Z"),
        ("date", "2026-03-01", "2026-03-01"),
        ("anyType", 100000.0, "100000"),
        ("anyType", True, "true"),
        ("anyType", "2026-03-01T12:00:00.000+0000", "2026-03-01T12:00:00.000Z"),
        ("multipicklist", "a;b", "a;b"),
    ],
)
def test_a_value_is_the_same_from_both_apis(kind: str, json: Any, csv: str) -> None:
    reading = Reading([Named("F", kind)], stamp="SystemModstamp")
    stamp = "2026-03-01T12:00:00.000+0000"
    by_rest = reading.of_json({"Id": "x", "SystemModstamp": stamp, "F": json})
    (by_bulk,) = reading.of_csv(["Id", "SystemModstamp", "F"])([["x", "2026-03-01T12:00:00.000Z", csv]])
    assert by_rest.payload is not None
    assert by_bulk.payload is not None
    assert canonical(by_rest.payload) == canonical(by_bulk.payload)
    assert by_rest.version == by_bulk.version == version_of(NOON)


def _plain_reading(kinds: Sequence[str], line: Sequence[str]) -> str:
    """The payload of a line by the plain way: each value in its form, then written by the standard library's JSON."""
    values = {f"F%{number}": form_of(kind)(cell) for number, (kind, cell) in enumerate(zip(kinds, line, strict=True))}
    return canonical(values)


@given(
    st.lists(st.sampled_from(["string", "boolean", "double", "datetime", "anyType"]), max_size=4).flatmap(
        lambda kinds: st.tuples(st.just(kinds), st.lists(st.tuples(*(CELLS[kind] for kind in kinds)), max_size=4))
    )
)
def test_lines_are_written_as_their_values_are(case: tuple[list[str], list[tuple[str, ...]]]) -> None:
    kinds, lines = case
    fields = [Named(f"F%{number}", kind) for number, kind in enumerate(kinds)]
    read = Reading(fields, stamp=None).of_csv(["Id", *(field.name for field in fields)])
    records = read([[f"{number}", *line] for number, line in enumerate(lines)])
    assert [record.external_id for record in records] == [f"{number}" for number in range(len(lines))]
    assert [record.payload for record in records] == [_plain_reading(kinds, line) for line in lines]


def test_a_deleted_row_is_a_tombstone() -> None:
    reading = Reading([Named("Name", "string")], stamp="SystemModstamp")
    row = {"Id": "x", "SystemModstamp": "2026-03-01T12:00:00.000+0000", "IsDeleted": True, "Name": "Ann"}
    assert reading.of_json(row).deleted_at == NOON
    header = ["Id", "IsDeleted", "SystemModstamp", "Name"]
    (by_bulk,) = reading.of_csv(header)([["x", "true", "2026-03-01T12:00:00.000Z", "Ann"]])
    assert by_bulk.deleted_at == NOON


def test_what_is_missing_in_an_answer_is_no_null() -> None:
    reading = Reading([Named("Name", "string")], stamp="SystemModstamp")
    with pytest.raises(PermanentError):
        reading.of_json({"Id": "x", "SystemModstamp": "2026-03-01T12:00:00.000+0000"})
    with pytest.raises(PermanentError, match="Name"):
        reading.of_csv(["Id", "SystemModstamp"])


@given(ends=st.lists(IDS, min_size=2, max_size=2), parts=st.integers(1, 50), some=IDS)
def test_every_id_lies_in_one_range(ends: list[str], parts: int, some: str) -> None:
    ranges = split(min(ends), max(ends), parts)
    assert 1 <= len(ranges) <= parts
    assert sum(f"{some}AAA" in one for one in ranges) == 1
    assert (ranges[0].first, ranges[-1].end) == (None, None)
    assert all(before.end == after.first for before, after in pairwise(ranges))


def test_an_id_of_a_range_has_its_checksum() -> None:
    # The Id and its long form as the Object Reference gives them.
    assert split("001000000000000", "001000000000002", 2)[1].first == "001000000000001AAA"


def test_keys_are_a_total_order() -> None:
    asked = soql.changed_since("Account", ["Name"], stamp="SystemModstamp", key=Key(NOON, "x"), limit=10)
    assert asked == (
        "SELECT Id,Name FROM Account WHERE SystemModstamp > 2026-03-01T12:00:00Z OR "
        "(SystemModstamp = 2026-03-01T12:00:00Z AND Id > 'x') ORDER BY SystemModstamp, Id LIMIT 10"
    )
    first = soql.changed_since("Account", ["Id"], stamp="SystemModstamp", key=Key(NOON), limit=10)
    assert "WHERE SystemModstamp >= 2026-03-01T12:00:00Z ORDER" in first


def test_ranges_in_queries() -> None:
    assert soql.in_range("Account", ["Name"], IdRange("a", "b")).endswith("WHERE Id >= 'a' AND Id < 'b'")
    assert (
        soql.page_of_range("Account", [], EVERYTHING, behind=None, limit=5)
        == "SELECT Id FROM Account ORDER BY Id LIMIT 5"
    )
    behind = soql.page_of_range("Account", [], IdRange("a", "c"), behind="b", limit=5)
    assert "WHERE Id > 'b' AND Id < 'c' ORDER BY" in behind
    assert soql.slice_of_ids("Account", [], behind=None, upto=None) == "SELECT Id FROM Account"
    assert soql.quoted(r"O'Hara\n") == r"'O\'Hara\\n'"


@given(st.lists(st.text("abc", min_size=1, max_size=9), unique=True, min_size=1, max_size=40), st.integers(10, 60))
def test_wide_objects_are_asked_for_in_parts(names: list[str], room: int) -> None:
    parts = soql.parts_that_fit(names, fits=lambda some: len(",".join(some)) <= room)
    assert [name for part in parts for name in part] == names
    assert all(len(part) == 1 or len(",".join(part)) <= room for part in parts)


@dataclass(frozen=True)
class Line:
    id: str
    deleted_at: datetime


@dataclass(frozen=True)
class Window:
    rows: list[Line]
    earliest_date_available: datetime
    latest_date_covered: datetime


@dataclass
class ScriptedLog:
    """A log that gives at most `most` rows at once."""

    lines: list[Line]
    most: int = 1000
    earliest: datetime = NOON - timedelta(days=30)
    gap: datetime | None = None

    def now(self) -> datetime:
        return NOON

    def deleted(self, start: datetime, end: datetime) -> Window:
        if start < NOON - timedelta(days=15):
            raise WindowTooOld
        found = [line for line in self.lines if start <= line.deleted_at < end]
        if len(found) > self.most:
            raise TooManyIds
        covered = end if self.gap is None else min(end, self.gap)
        return Window(found, self.earliest, covered)


def _lines(count: int) -> list[Line]:
    return [Line(f"{n}", NOON - timedelta(hours=10) + timedelta(minutes=n)) for n in range(count)]


def test_a_log_of_too_many_is_read_in_parts() -> None:
    read = read_log(ScriptedLog(_lines(500), most=30), Position.at(NOON - timedelta(hours=12)))
    assert (sorted(row.external_id for row in read.rows), read.covered) == (sorted(str(n) for n in range(500)), NOON)
    assert not read.is_broken


def test_a_part_that_is_not_covered_to_its_end_ends_what_is_covered() -> None:
    gap = NOON - timedelta(hours=9)
    read = read_log(ScriptedLog(_lines(500), most=30, gap=gap), Position.at(NOON - timedelta(hours=12)))
    assert read.covered == gap


@pytest.mark.parametrize(
    ("log", "since"),
    [
        (ScriptedLog([]), NOON - timedelta(days=20)),
        (ScriptedLog([], earliest=NOON - timedelta(hours=1)), NOON - timedelta(hours=2)),
        (ScriptedLog([Line(str(n), NOON - timedelta(hours=1)) for n in range(9)], most=3), NOON - timedelta(hours=2)),
    ],
    ids=["too_old", "forgotten", "too_many"],
)
def test_a_log_that_lacks_deletions_says_so(log: ScriptedLog, since: datetime) -> None:
    position = Position.at(since)
    read = read_log(log, position)
    assert read.is_broken
    after = position.logged(read.covered, is_broken=True)
    assert after.unproven
    assert after.deletes == NOON


def test_rows_that_the_log_told_before_are_not_told_again() -> None:
    line = Line("x", NOON - timedelta(seconds=90))
    assert read_log(ScriptedLog([line]), Position.at(NOON - timedelta(seconds=30))).rows == []
    assert [row.external_id for row in read_log(ScriptedLog([line]), Position.at(line.deleted_at)).rows] == ["x"]


def test_the_window_is_never_longer_than_the_log() -> None:
    start, end = Position.at(NOON - timedelta(days=40)).window(NOON)
    assert end - start == LONGEST_WINDOW


def test_a_history_is_spread_over_days() -> None:
    costs = [100] * 20
    due = quota.spread(costs, per_day=1000, now=NOON)
    assert [moment for moment in due if moment is None] == [None] * 8
    assert due[8] == NOON + timedelta(days=1)
    assert due[-1] == NOON + timedelta(days=2)
    assert quota.estimate(costs, per_day=1000).days == 3
    assert quota.estimate(costs, per_day=100_000).days == 1


def test_bulk_is_cheaper_for_many_rows_only() -> None:
    assert quota.calls_for(2000, bulk=False) == 1
    assert quota.calls_for(100_000, bulk=True) < quota.calls_for(100_000, bulk=False)


def test_why_a_field_is_described_no_more() -> None:
    described = Described("Account", "Account", "001", False, True, True, (), None)
    reasons = drifts.stale_reasons(
        ["Phone", "A__c", "B__c", "C__c"],
        described,
        is_permitted=lambda name: {"A__c": True, "B__c": False, "C__c": None}[name],
    )
    assert reasons == {
        StaleReason.PERMISSION: ["Phone", "A__c"],
        StaleReason.DELETED: ["B__c"],
        StaleReason.UNKNOWN: ["C__c"],
    }


def test_what_is_to_be_read_again_after_drift() -> None:
    drift = Drift(added=["A"], vanished=["V"], returned=["R"], retyped=[Retyped("T", "string", "double")])
    assert drifts.to_refresh(drift) == ["A", "R", "T"]
    assert drifts.has_changed(Drift(vanished=["V"]))
    assert not drifts.has_changed(Drift())
