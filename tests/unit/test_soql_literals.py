"""SOQL's literals: date literals as days, strings as they were meant."""

from __future__ import annotations

import sqlite3
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.salesforce.row_reading import quoted_text
from infra.local.salesforce.soql import syntax
from infra.local.salesforce.soql.parse import parse
from infra.local.salesforce.soql.spans import days_of

SATURDAY = date(2026, 11, 21)

#: The literal, today, the first day, the last.
SPANS = [
    ("YESTERDAY", SATURDAY, "2026-11-20", "2026-11-20"),
    ("TODAY", SATURDAY, "2026-11-21", "2026-11-21"),
    ("TOMORROW", date(2026, 12, 31), "2027-01-01", "2027-01-01"),
    ("THIS_WEEK", SATURDAY, "2026-11-15", "2026-11-21"),
    ("THIS_WEEK", date(2026, 11, 22), "2026-11-22", "2026-11-28"),
    ("LAST_WEEK", SATURDAY, "2026-11-08", "2026-11-14"),
    ("NEXT_WEEK", SATURDAY, "2026-11-22", "2026-11-28"),
    ("THIS_MONTH", date(2028, 2, 10), "2028-02-01", "2028-02-29"),
    ("LAST_MONTH", date(2026, 1, 31), "2025-12-01", "2025-12-31"),
    ("NEXT_MONTH", date(2026, 12, 1), "2027-01-01", "2027-01-31"),
    ("THIS_QUARTER", SATURDAY, "2026-10-01", "2026-12-31"),
    ("LAST_QUARTER", date(2026, 2, 1), "2025-10-01", "2025-12-31"),
    ("NEXT_QUARTER", SATURDAY, "2027-01-01", "2027-03-31"),
    ("THIS_FISCAL_QUARTER", date(2026, 5, 31), "2026-04-01", "2026-06-30"),
    ("THIS_YEAR", SATURDAY, "2026-01-01", "2026-12-31"),
    ("LAST_YEAR", SATURDAY, "2025-01-01", "2025-12-31"),
    ("NEXT_FISCAL_YEAR", SATURDAY, "2027-01-01", "2027-12-31"),
    ("LAST_90_DAYS", SATURDAY, "2026-08-23", "2026-11-21"),
    ("NEXT_90_DAYS", SATURDAY, "2026-11-22", "2027-02-19"),
    ("LAST_N_DAYS:0", SATURDAY, "2026-11-21", "2026-11-21"),
    ("LAST_N_DAYS:30", SATURDAY, "2026-10-22", "2026-11-21"),
    ("NEXT_N_DAYS:2", SATURDAY, "2026-11-22", "2026-11-23"),
    ("N_DAYS_AGO:3", SATURDAY, "2026-11-18", "2026-11-18"),
    ("LAST_N_WEEKS:2", SATURDAY, "2026-11-01", "2026-11-14"),
    ("NEXT_N_WEEKS:2", SATURDAY, "2026-11-22", "2026-12-05"),
    ("N_WEEKS_AGO:1", SATURDAY, "2026-11-08", "2026-11-14"),
    ("LAST_N_MONTHS:3", SATURDAY, "2026-08-01", "2026-10-31"),
    ("NEXT_N_MONTHS:2", SATURDAY, "2026-12-01", "2027-01-31"),
    ("N_MONTHS_AGO:11", SATURDAY, "2025-12-01", "2025-12-31"),
    ("LAST_N_QUARTERS:2", SATURDAY, "2026-04-01", "2026-09-30"),
    ("N_QUARTERS_AGO:4", SATURDAY, "2025-10-01", "2025-12-31"),
    ("LAST_N_FISCAL_QUARTERS:1", SATURDAY, "2026-07-01", "2026-09-30"),
    ("LAST_N_YEARS:2", SATURDAY, "2024-01-01", "2025-12-31"),
    ("NEXT_N_YEARS:1", SATURDAY, "2027-01-01", "2027-12-31"),
    ("N_FISCAL_YEARS_AGO:2", SATURDAY, "2024-01-01", "2024-12-31"),
]


def _value(literal: str) -> syntax.Value:
    where = parse(f"SELECT Id FROM Account WHERE Name = {literal}").where  # noqa: S608 - it is only parsed
    assert isinstance(where, syntax.Comparison)
    return where.value


@pytest.mark.parametrize(("literal", "today", "first", "last"), SPANS, ids=[f"{case[0]} {case[1]}" for case in SPANS])
def test_days_of_a_literal(literal: str, today: date, first: str, last: str) -> None:
    span = _value(literal)
    assert isinstance(span, syntax.Span)
    begins, ends = days_of(span.name, span.count, today)
    assert (begins.isoformat(), (ends - timedelta(days=1)).isoformat()) == (first, last)


@given(today=st.dates(date(1990, 1, 1), date(2090, 1, 1)), unit=st.sampled_from(["WEEK", "MONTH", "QUARTER", "YEAR"]))
def test_units_follow_each_other_and_hold_today(today: date, unit: str) -> None:
    last, this, following = (days_of(f"{word}_{unit}", 0, today) for word in ("LAST", "THIS", "NEXT"))
    assert last[1] == this[0] <= today < this[1] == following[0]
    assert days_of(f"LAST_N_{unit}S", 1, today) == last == days_of(f"N_{unit}S_AGO", 1, today)
    assert days_of(f"NEXT_N_{unit}S", 1, today) == following
    assert days_of(f"LAST_N_{unit}S", 5, today)[1] == this[0]
    assert days_of(f"LAST_N_{unit}S", 5, today)[0] == days_of(f"N_{unit}S_AGO", 5, today)[0]


@given(st.text())
def test_quoted_text_means_itself(text: str) -> None:
    value = _value(quoted_text(text))
    assert isinstance(value, syntax.Text)
    assert value.value == text


@given(st.text(alphabet="aB_%\\' \n", min_size=1, max_size=12), st.text(alphabet="aB_%\\' \n", max_size=12))
def test_an_escaped_pattern_matches_itself_alone(text: str, other: str) -> None:
    escaped = quoted_text(text)[1:-1].replace("%", "\\%").replace("_", "\\_")
    value = _value(f"'{escaped}'")
    assert isinstance(value, syntax.Text)
    with sqlite3.connect(":memory:") as connection:
        matched = [
            connection.execute("SELECT ? LIKE ? ESCAPE '\\'", (candidate, value.pattern)).fetchone()[0] == 1
            for candidate in (text, other)
        ]
    connection.close()
    assert matched == [True, other.lower() == text.lower()]


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("'a'", syntax.Text("a", "a")),
        ("''", syntax.Text("", "")),
        ("'\\n\\r\\t\\b\\f\\\"\\'\\\\'", syntax.Text("\n\r\t\b\f\"'\\", "\n\r\t\b\f\"'\\\\")),
        ("'\\N'", syntax.Text("\n", "\n")),
        ("'50\\%'", syntax.Text("50%", "50\\%")),
        ("'\\u00e9'", syntax.Text("é", "é")),
        ("'\\ud83d\\ude00\\ud83d'", syntax.Text("😀\ufffd", "😀\ufffd")),
        ("12", syntax.Number(12)),
        ("9223372036854775808", syntax.Number(9223372036854775808.0)),
        ("-12", syntax.Number(-12)),
        ("+1.5", syntax.Number(1.5)),
        (".5", syntax.Number(0.5)),
        ("1e3", syntax.Number(1000.0)),
        ("2026-11-21", syntax.Day(SATURDAY)),
        ("TRUE", syntax.Truth(value=True)),
        ("false", syntax.Truth(value=False)),
        ("Null", syntax.Null()),
        ("last_n_days:7", syntax.Span("LAST_N_DAYS", 7)),
    ],
)
def test_literal(literal: str, value: syntax.Value) -> None:
    assert _value(literal) == value
