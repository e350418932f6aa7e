"""Versions, canonical payloads and content hashes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.postgres.record_values import canonical, content_hash, moment_of, version_of

NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


#: Any but NUL, which PostgreSQL cannot hold.
TEXTS = st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]))


def test_a_version_is_the_moment_in_microseconds() -> None:
    assert version_of(datetime(1970, 1, 1, 0, 0, 1, 2, tzinfo=UTC)) == 1_000_002
    there = timezone(timedelta(hours=2))
    assert version_of(datetime(2026, 1, 1, 2, tzinfo=there)) == version_of(datetime(2026, 1, 1, tzinfo=UTC))


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_version_leads_back_to_its_moment_and_grows_with_it(moment: datetime) -> None:
    assert moment_of(version_of(moment)) == moment
    if moment < datetime.max.replace(tzinfo=UTC):
        assert version_of(moment + timedelta(microseconds=1)) == version_of(moment) + 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 3.0}, {"a": 3}),
        ({"a": -0.0}, {"a": 0}),
        ({"a": 1e22}, {"a": 10**22}),
        ({"a": {"y": [2.0], "x": 1}}, {"a": {"x": 1, "y": [2]}}),
        ({"a": "x\0y"}, {"a": "x\ufffdy"}),
        ({"a": "\ud83d"}, {"a": "\ufffd"}),
        ({"a": "\ud83d\ude00"}, {"a": "\N{GRINNING FACE}"}),
        ({"a\0": ["\0"]}, {"a\ufffd": ["\ufffd"]}),
    ],
)
def test_the_same_values_have_the_same_canonical_form(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert canonical(one) == canonical(other)


@given(st.dictionaries(TEXTS, st.none() | st.booleans() | NUMBERS | st.floats(-1e3, 1e3) | TEXTS))
def test_a_payload_is_written_as_the_standard_library_writes_it(payload: dict[str, Any]) -> None:
    whole = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in payload.items()
    }
    assert canonical(payload) == json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": None}, {}),
        ({"a": ""}, {"a": None}),
        ({"a": "1"}, {"a": 1}),
        ({"a": True}, {"a": 1}),
        ({"a": 0.1}, {"a": 0.2}),
        ({"a": "\\u0000"}, {"a": "\ufffd"}),
    ],
)
def test_other_values_have_another(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert canonical(one) != canonical(other)
    assert content_hash("x", canonical(one)) != content_hash("x", canonical(other))


def test_a_number_that_json_has_not_is_refused() -> None:
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical({"a": number})


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_what_was_canonical_stays_so(payload: dict[str, Any]) -> None:
    text = canonical(payload)
    assert canonical(json.loads(text)) == text
    text.encode()
    assert "\\u0000" not in text.replace("\\\\", "")


def test_the_hash_covers_the_id_and_fits_a_bigint() -> None:
    hashes = {content_hash(f"{number}", "{}") for number in range(1000)}
    assert len(hashes) == 1000
    assert all(-(2**63) <= one < 2**63 for one in hashes)
    assert content_hash("a", '{"b":1}') == content_hash("a", '{"b":1}')
