"""Fingerprints: the same for errors that differ in what changes each time, different for different errors."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retinue.fingerprint import MAX_LOOKED_AT, fingerprint, is_fingerprint, normalised

words = st.text(st.sampled_from("ghijklmnopqrstuvwyz"), min_size=1, max_size=8)
moments = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
times = st.one_of(
    moments.map(lambda at: at.isoformat()),
    moments.map(lambda at: at.isoformat(sep=" ", timespec="seconds")),
    moments.map(lambda at: f"{at:%Y-%m-%dT%H:%M:%SZ}"),
    moments.map(lambda at: format_datetime(at, usegmt=True)),
    moments.map(format_datetime),
)
numbers = st.one_of(
    st.integers().map(str), st.decimals(-1000, 1000, places=2).map(str), st.integers().map("{:,}".format)
)
ids = st.one_of(
    st.uuids().map(str),
    st.binary(min_size=4, max_size=32).map(bytes.hex).filter(lambda text: any(map(str.isdigit, text))),
    st.integers(0, 2**64).map(hex),
)
in_quotes = st.text(st.characters(exclude_characters="'\"`\n"), min_size=1, max_size=30)
quoted = st.one_of(in_quotes.map("'{}'".format), in_quotes.map('"{}"'.format), in_quotes.map("`{}`".format))


@pytest.mark.parametrize("values", [times, quoted], ids=["times", "quoted"])
def test_it_stays_while_a_value_changes(values: st.SearchStrategy[str]) -> None:
    @given(words, values, values, words)
    def check(before: str, one: str, other: str, after: str) -> None:
        texts = [f"{before} {value} {after}" for value in (one, other)]
        assert normalised(texts[0]) == normalised(texts[1])

    check()


@given(words, numbers, numbers, words)
def test_it_stays_while_a_number_changes(before: str, one: str, other: str, after: str) -> None:
    for form in ("{} {} {}", "{}={} {}", "{}({}): {}", "{}: {}, {}"):
        texts = [form.format(before, value, after) for value in (one, other)]
        assert fingerprint("E", texts[0]) == fingerprint("E", texts[1]), texts


@given(words, st.lists(ids, min_size=2, max_size=2), words)
def test_it_stays_while_an_id_changes(before: str, both: list[str], after: str) -> None:
    assert {normalised(f"{before} {value}: {after}").split()[0] for value in both} == {before}
    for value in both:
        assert not any(map(str.isdigit, normalised(f"{before} {value} {after}")))


@given(words, st.uuids(), st.uuids())
def test_it_stays_while_a_uuid_changes(before: str, one: object, other: object) -> None:
    assert fingerprint("E", f"{before} {one}") == fingerprint("E", f"{before} {other}")


@given(st.text(st.characters(), max_size=80), st.text(st.characters(), max_size=80))
def test_any_text_has_one_and_the_same_each_time(kind: str, message: str) -> None:
    found = fingerprint(kind, message)
    assert is_fingerprint(found)
    assert found == fingerprint(kind, message)


@given(st.lists(words, min_size=1, max_size=4), st.lists(words, min_size=1, max_size=4))
def test_other_words_are_another_error(one: list[str], other: list[str]) -> None:
    assert (fingerprint("E", " ".join(one)) == fingerprint("E", " ".join(other))) == (one == other)


@given(words, words)
def test_another_class_is_another_error(one: str, other: str) -> None:
    assert (fingerprint(one, "m") == fingerprint(other, "m")) == (one == other)


@pytest.mark.parametrize(
    ("message", "left"),
    [
        ("the provider answered 503", "the provider answered <n>"),
        ("timed out after 30s (attempt 4 of 10)", "timed out after <n>s (attempt <n> of <n>)"),
        ("no answer from 10.1.2.3:5432", "no answer from <n>"),
        ("KeyError: 'customer-17'", "KeyError: <quoted>"),
        ("can't open it, won't try", "can't open it, won't try"),
        ("no such row: [1, 2, 3]", "no such row: [<n>]"),
        ("no such row: ['a', 'b']", "no such row: [<quoted>]"),
        ("GET https://u:p@api.example/v2/items?page=7&t=abc#top failed", "GET https://api.example/v<n>/items failed"),
        ("GET https://api.example/v2/items failed", "GET https://api.example/v<n>/items failed"),
        ("job 5e0b8f0a-3a35-4b8e-9d54-7d8c4c1c1b11 is gone", "job <n> is gone"),
        ("<Widget object at 0x7f5c3c0d> broke", "<Widget object at <n>> broke"),
        ("commit 9f8e7d6c5b4a is unknown", "commit <n> is unknown"),
        ("request req_8Zk3aQ41xYz refused", "request req_<n> refused"),
        ("not before Sat, 21 Nov 2026 04:47:15 GMT", "not before <time>"),
        ("lock held since 2026-11-21 04:47:15.123456+00:00", "lock held since <time>"),
        ("at 04:47 it was busy", "at <time> it was busy"),
        ("no mailbox jane.doe+x@mail.example.com here", "no mailbox <address> here"),
        ("deadlock\n  detected\t here ", "deadlock detected here"),
        ("decade facade", "decade facade"),
    ],
)
def test_what_is_left_of_a_message(message: str, left: str) -> None:
    assert normalised(message) == left


def test_fingerprints_do_not_change_from_one_version_to_the_next() -> None:
    """They stand in users' rules: changing what is replaced is a breaking change."""
    assert fingerprint("TransientError", "the provider answered 503") == fingerprint(
        "TransientError", "the provider answered 7"
    )
    assert fingerprint("OperationalError", "deadlock detected") == "0ec14ef3"


@pytest.mark.parametrize(
    "piece", ["a", "'", "1", "a1", "http://", "@", "0x", "1:", "2026-", "f" * 7 + " ", "<n>", "1 Nov ", "a."]
)
def test_no_message_takes_long(piece: str) -> None:
    message = piece * (2 * MAX_LOOKED_AT // len(piece))
    began = time.perf_counter()
    fingerprint("E", message)
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("text", ["", "a1b2c3d", "a1b2c3d4e", "A1B2C3D4", "g1b2c3d4", "a1b2c3d4\n"])
def test_what_is_no_fingerprint(text: str) -> None:
    assert not is_fingerprint(text)
