"""The language in which people ask for jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.job_query import JobQuery, QueryError, Span, parse_query, quoted, read_terms, replaced, without
from infra.job_query.fields import FIELDS
from retinue.states import TERMINAL, JobState, Reason


def asked(text: str) -> dict[str, object]:
    """What a query asks for beyond all jobs."""
    found, everything = parse_query(text), JobQuery()
    names = (name for name in JobQuery.__dataclass_fields__ if name not in ("text", "terms"))
    return {name: getattr(found, name) for name in names if getattr(found, name) != getattr(everything, name)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("type:salesforce.sync", {"types": ("salesforce.sync",)}),
        ("TYPE:email.*,system.echo", {"types": ("email.*", "system.echo")}),
        ("type:a type:b", {"types": ("a", "b")}),
        ("-type:a", {"not_types": ("a",)}),
        ("state:failed,cancelled", {"named_states": frozenset({JobState.FAILED, JobState.CANCELLED})}),
        ("state:ended", {"named_states": TERMINAL}),
        ("account:acme", {"accounts": ("acme",)}),
        ('account:"Kestrel, Freight"', {"accounts": ("Kestrel, Freight",)}),
        ('account:"the \\"best\\""', {"accounts": ('the "best"',)}),
        ("error:TransientError", {"kinds": ("TransientError",)}),
        ("error:~timeout", {"texts": ("timeout",)}),
        ("timeout", {"texts": ("timeout",)}),
        ('"http://host/a b"', {"texts": ("http://host/a b",)}),
        ("4711", {"ids": (4711,)}),
        ("id:1,2", {"ids": (1, 2)}),
        ("reason:poison", {"reasons": (Reason.POISON,)}),
        ("lane:account:7", {"lanes": ("account:7",)}),
        ("connection:12", {"lanes": ("connection_id:12",)}),
        ("retry-of:9", {"retries_of": (9,)}),
        ("attempts:>3", {"spans": {"attempts": Span(least=4)}}),
        ("attempts:>=3 attempts:<9", {"spans": {"attempts": Span(3, 8)}}),
        ("ran:<=1h30m", {"spans": {"ran": Span(most=5400)}}),
        ("priority:0", {"spans": {"priority": Span(0, 0)}}),
        ("after:2h", {"after": timedelta(hours=2)}),
        ("before:2026-11-20", {"before": datetime(2026, 11, 20, tzinfo=UTC)}),
        ("after:2026-11-20T12:00+01:00", {"after": datetime(2026, 11, 20, 11, tzinfo=UTC)}),
    ],
)
def test_what_a_query_asks_for(text: str, expected: dict[str, object]) -> None:
    assert asked(text) == expected


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("state:faild", "state:faild", "Did you mean failed?"),
        ("type:a colour:red", "colour:red", "There is no field 'colour'"),
        ("acount:acme", "acount:acme", "Did you mean account?"),
        ("type:a error:", "", "A value is missing here."),
        ('error:~"a b', '"a b', "This quote is not closed."),
        ("id:x", "id:x", "id takes a number"),
        ("id:0", "id:0", "id takes a number"),
        ("id:99999999999999999999", "id:99999999999999999999", "id takes a number"),
        ("ran:>soon", "ran:>soon", "ran takes a duration"),
        ("ran:>1,2", "ran:>1,2", "ran takes one value"),
        ("ran:>99999d", "ran:>99999d", "ran takes a duration"),
        ("after:yesterday", "after:yesterday", "after takes a time"),
        ("after:0001-01-01", "after:0001-01-01", "the years 1970"),
        ("after:1h after:2h", "after:2h", "after was given already"),
        ("type:>a", "type:>a", "type takes no >"),
        ("attempts:~3", "attempts:~3", "attempts takes no ~"),
        ("-lane:a", "-lane:a", "cannot be turned round"),
        ("fingerprint:xyz", "fingerprint:xyz", "eight hexadecimal characters"),
        ("type:a*b", "type:a*b", "stands at the end"),
        ("http://host/", "http://host/", "A text stands in quotes"),
        ("error:~a,b", "error:~a,b", "takes one text"),
        ("account:a\0b", "account:a\0b", "printable"),
    ],
)
def test_what_cannot_be_read_is_pointed_at(text: str, place: str, says: str) -> None:
    with pytest.raises(QueryError) as raised:
        parse_query(text)
    assert says in raised.value.message
    assert text[raised.value.start : raised.value.end] == place


def test_a_query_has_an_end() -> None:
    with pytest.raises(QueryError, match="at most"):
        parse_query("x" * 1001)


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("", set(JobState)),
        ("-state:completed", set(JobState) - {JobState.COMPLETED}),
        ("timeout", set(JobState) - {JobState.COMPLETED}),
        ("timeout state:completed", {JobState.COMPLETED}),
        ("state:ended -state:failed", {JobState.COMPLETED, JobState.CANCELLED}),
        ("state:failed -state:failed", set()),
    ],
)
def test_the_states_looked_in(text: str, states: set[JobState]) -> None:
    assert parse_query(text).states == states


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.name)
def test_every_fields_example_can_be_read_and_is_its_own(field: object) -> None:
    (term,) = parse_query(field.example).terms  # type: ignore[attr-defined] # parametrize's values have no type
    assert term.field == field.name  # type: ignore[attr-defined] # likewise


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_with_a_place_in_it(text: str) -> None:
    place = (0, 0)
    try:
        parse_query(text)
    except QueryError as error:
        place = (error.start, error.end)
    assert 0 <= place[0] <= place[1] <= len(text)


@given(st.text(min_size=1, max_size=40))
def test_a_quoted_value_is_read_as_it_was(value: str) -> None:
    (term,) = read_terms(f"account:{quoted(value)}")
    assert term.values == (value,)


def test_a_query_with_another_value() -> None:
    assert replaced("type:a state:failed x", "state", "running") == "type:a x state:running"
    assert replaced("type:a state:failed", "state", None) == "type:a"
    assert replaced("", "account", "Kestrel Freight") == 'account:"Kestrel Freight"'
    assert replaced('broken:"', "state", "failed") == "state:failed"


def test_a_query_without_a_term() -> None:
    text = "type:a state:failed x"
    assert [without(text, term) for term in read_terms(text)] == ["state:failed x", "type:a x", "type:a state:failed"]
