"""Ids, moments and field values of the sandbox org."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.salesforce.clock import Clock, parse_stamp, stamp, whole_second
from infra.local.salesforce.ids import full_id, make_id, normal_id
from infra.local.salesforce.metadata import new_field
from infra.local.salesforce.values import BadValue, csv_form, stored, to_json


def test_the_check_characters_are_salesforces() -> None:
    """The example of Salesforce's own documentation of the conversion."""
    assert full_id("001D000000IRFma") == "001D000000IRFmaIAH"


@given(st.integers(min_value=1, max_value=62**9 - 1))
def test_an_id_is_known_by_its_fifteen_characters_and_in_any_case(number: int) -> None:
    made = make_id("a0X", number)
    assert normal_id(made[:15]) == made
    assert normal_id(made.lower()) == made
    assert normal_id(made.upper()) == made


@given(st.integers(min_value=1, max_value=62**9 - 2))
def test_ids_sort_in_the_order_they_were_made(number: int) -> None:
    assert make_id("001", number) < make_id("001", number + 1)


@pytest.mark.parametrize(
    "text", ["", "001", "001D000000IRFma!", "001D000000IRFmaIA", "001D000000IRFma9ZZ", "001D000000IRFmaBAA", "x" * 16]
)
def test_what_is_no_id_is_none(text: str) -> None:
    assert normal_id(text) is None


def test_the_clock_goes_forward_only() -> None:
    clock = Clock()
    before = clock.now()
    assert clock.advance(timedelta(days=2)) >= before + timedelta(days=2)
    with pytest.raises(ValueError, match="forward"):
        clock.set(before)


def test_a_stamp_is_a_whole_second() -> None:
    moment = datetime(2026, 11, 21, 12, 0, 1, 987_654, tzinfo=UTC)
    assert stamp(moment) == "2026-11-21T12:00:01.000+0000"
    assert parse_stamp(stamp(moment)) == whole_second(moment)


@pytest.mark.parametrize(
    ("kind", "given", "kept", "shown", "csv"),
    [
        ("string", "Ada", "Ada", "Ada", "Ada"),
        ("string", "", None, None, ""),
        ("string", 7, "7", "7", "7"),
        ("boolean", True, 1, True, "true"),
        ("boolean", "false", 0, False, "false"),
        ("boolean", None, 0, False, "false"),
        ("int", "12", 12, 12, "12"),
        ("int", 12.0, 12, 12, "12"),
        ("currency", "1.005", 1.0, 1.0, "1.0"),
        ("currency", 12, 12.0, 12.0, "12.0"),
        ("date", "2026-02-28", "2026-02-28", "2026-02-28", "2026-02-28"),
        (
            "datetime",
            "2026-02-28T13:00:00.5+01:00",
            "2026-02-28T12:00:00.000+0000",
            "2026-02-28T12:00:00.000+0000",
            "2026-02-28T12:00:00.000Z",
        ),
        (
            "datetime",
            "2026-02-28T13:00:00Z",
            "2026-02-28T13:00:00.000+0000",
            "2026-02-28T13:00:00.000+0000",
            "2026-02-28T13:00:00.000Z",
        ),
        ("time", "10:30:00", "10:30:00.000Z", "10:30:00.000Z", "10:30:00.000Z"),
        ("email", "a@example.com", "a@example.com", "a@example.com", "a@example.com"),
        ("multipicklist", "a;b", "a;b", "a;b", "a;b"),
        ("reference", "001D000000IRFma", "001D000000IRFmaIAH", "001D000000IRFmaIAH", "001D000000IRFmaIAH"),
        ("base64", "YQ==", "YQ==", "YQ==", "YQ=="),
        ("double", None, None, None, ""),
    ],
)
def test_a_value_is_kept_and_shown(kind: str, given: Any, kept: Any, shown: Any, csv: str) -> None:
    field = new_field("X__c", kind)
    raw = stored(field, given)
    assert (raw, type(raw)) == (kept, type(kept))
    assert to_json(field, raw) == shown
    form = csv_form(field) or str
    assert ("" if raw is None else form(raw)) == csv


@pytest.mark.parametrize(
    ("kind", "given", "code"),
    [
        ("string", "x" * 256, "STRING_TOO_LONG"),
        ("string", {"a": 1}, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("boolean", "perhaps", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("int", 1.5, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("int", True, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("double", "much", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("double", "nan", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("currency", 1e17, "NUMBER_OUTSIDE_VALID_RANGE"),
        ("date", "28.02.2026", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("date", "2026-02-30", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("datetime", "soon", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("time", "25:00", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("email", "nobody", "INVALID_EMAIL_ADDRESS"),
        ("reference", "nothing", "MALFORMED_ID"),
        ("base64", "é", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
    ],
)
def test_a_value_that_its_field_does_not_take_is_refused(kind: str, given: Any, code: str) -> None:
    with pytest.raises(BadValue) as refused:
        stored(new_field("X__c", kind), given)
    assert refused.value.code == code


def test_a_restricted_choice_takes_only_what_there_is() -> None:
    field = new_field("X__c", "multipicklist", values=("a", "b"), restricted=True)
    assert stored(field, "b;a") == "b;a"
    with pytest.raises(BadValue) as refused:
        stored(field, "a;c")
    assert refused.value.code == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
