"""The plan: what a sync does, decided before anything is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servants.calendar.faults import SuspiciousEmptiness
from servants.calendar.plan import SUSPICIOUS_FROM, Action, Delete, Upsert, plan
from servants.calendar.reports import Changes

etags = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["", "1", "2"]))


def apply(actions: list[Action], known: dict[str, str], remote: dict[str, str]) -> dict[str, str]:
    result = dict(known)
    for action in actions:
        if isinstance(action, Delete):
            del result[action.href]
        else:
            result[action.href] = remote[action.href]
    return result


def test_only_what_differs_is_fetched() -> None:
    changes = Changes({"same": "1", "other": "2", "new": "1"}, frozenset({"gone", "never-known"}))
    known = {"same": "1", "other": "1", "gone": "1", "untouched": "1"}
    assert plan(changes, known) == [Upsert("other", new=False), Upsert("new", new=True), Delete("gone")]


def test_a_member_without_etag_is_always_fetched() -> None:
    assert plan(Changes({"a": ""}), {"a": ""}) == [Upsert("a", new=False)]


def test_a_complete_listing_deletes_what_it_lacks() -> None:
    assert plan(Changes({"a": "1"}, complete=True), {"a": "1", "b": "1"}) == [Delete("b")]


def test_a_complete_listing_that_is_suddenly_empty_is_not_believed() -> None:
    known = {str(number): "1" for number in range(SUSPICIOUS_FROM)}
    with pytest.raises(SuspiciousEmptiness, match="lists nothing though 10 objects are known"):
        plan(Changes({}, complete=True), known)
    assert len(plan(Changes({}, complete=True), known, believe_empty=True)) == SUSPICIOUS_FROM


def test_a_small_calendar_may_become_empty_at_once() -> None:
    known = {str(number): "1" for number in range(SUSPICIOUS_FROM - 1)}
    assert len(plan(Changes({}, complete=True), known)) == SUSPICIOUS_FROM - 1


def test_events_reported_one_by_one_as_removed_are_believed() -> None:
    known = {str(number): "1" for number in range(SUSPICIOUS_FROM)}
    assert len(plan(Changes({}, frozenset(known)), known)) == SUSPICIOUS_FROM


@given(remote=etags, known=etags)
def test_a_complete_listing_converges_and_is_then_silent(remote: dict[str, str], known: dict[str, str]) -> None:
    after = apply(plan(Changes(remote, complete=True), known), known, remote)
    assert after == remote
    assert all(remote[action.href] == "" for action in plan(Changes(remote, complete=True), after))


@given(remote=etags, known=etags)
def test_changes_converge_as_a_listing_does(remote: dict[str, str], known: dict[str, str]) -> None:
    changed = {href: etag for href, etag in remote.items() if known.get(href) != etag}
    changes = Changes(changed, frozenset(known.keys() - remote.keys()))
    assert apply(plan(changes, known), known, remote) == remote
