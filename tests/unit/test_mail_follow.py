"""How a mailbox is followed, and what the news of it ask for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servants.email.follow import (
    FLAGS_REST,
    SMALL,
    SUSPICIOUS_FROM,
    UNSTABLE_FROM,
    Held,
    News,
    Way,
    counts_fit,
    is_suspicious,
    is_unchanged,
    must_rest,
    plan,
    way_to_follow,
)
from servants.email.mailboxes import StoredMailbox
from servants.email.quirks import Abilities
from servants.email.uid_sets import EMPTY, between, common, joined, minus, newest_first, oldest_first
from servants.email.values import FlagLine, RemoteFolder, Selected, UidSet

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RESYNC = Abilities(qresync=True, condstore=True)
SINCE = Abilities(qresync=False, condstore=True)
PLAIN = Abilities(qresync=False, condstore=False)

ROW = StoredMailbox(
    id=1,
    account_id=1,
    connection_id=1,
    name="INBOX",
    role="inbox",
    object_id=None,
    selectable=True,
    uid_validity=5,
    uid_next=11,
    highest_modseq=100,
    messages=10,
    unseen=3,
    validity_changes=0,
    synced_at=NOW,
    compared_at=NOW,
    refused=EMPTY,
    due=EMPTY,
)
SELECTED = Selected(5, 11, 10, 100)
REMOTE = RemoteFolder(
    name="INBOX",
    delimiter="/",
    role=None,
    selectable=True,
    uid_validity=5,
    uid_next=11,
    highest_modseq=100,
    messages=10,
    unseen=3,
)

uid_sets = st.sets(st.integers(1, 40)).map(UidSet.of)


@given(uid_sets, uid_sets, st.integers(1, 45), st.none() | st.integers(1, 45), st.integers(1, 9))
def test_uid_arithmetic_is_that_of_sets(one: UidSet, other: UidSet, low: int, high: int | None, size: int) -> None:
    left, right = set(one), set(other)
    assert minus(one, other) == UidSet.of(left - right)
    assert common(one, other) == UidSet.of(left & right)
    assert joined(one, other) == UidSet.of(left | right)
    assert between(one, low, high) == UidSet.of(uid for uid in left if low <= uid and (high is None or uid <= high))
    assert [uid for part in oldest_first(one, size) for uid in part] == sorted(left)
    assert [uid for part in newest_first(one, size) for uid in sorted(part, reverse=True)] == sorted(left, reverse=True)
    assert all(len(part) == size for part in list(newest_first(one, size))[:-1])


@dataclass
class Changed:
    """A field of the row or the listing, and whether the mailbox is taken for unchanged."""

    row: dict[str, object] = field(default_factory=dict)
    remote: dict[str, object] = field(default_factory=dict)
    abilities: Abilities = RESYNC
    unchanged: bool = False


BIG: dict[str, object] = {"messages": SMALL + 1}


@pytest.mark.parametrize(
    "case",
    [
        Changed(unchanged=True),
        Changed(row={"uid_validity": None}),
        Changed(row={"uid_next": None}, remote={"uid_next": None}),
        Changed(row={"due": UidSet.of([3])}),
        Changed(remote={"uid_validity": 6}),
        Changed(remote={"uid_next": 12}),
        Changed(remote={"messages": 9}),
        Changed(remote={"highest_modseq": 101}),
        Changed(remote={"highest_modseq": None}),
        Changed(remote={"unseen": 9}, unchanged=True),
        Changed(abilities=dataclasses.replace(RESYNC, status=False)),
        # Without counted changes equal numbers say little of flags.
        Changed(abilities=PLAIN),
        Changed(row={"highest_modseq": None}, remote={"highest_modseq": None}),
        Changed(row={"messages": 0}, remote={"messages": 0}, abilities=PLAIN, unchanged=True),
        Changed(row=BIG, remote=BIG, abilities=PLAIN, unchanged=True),
        Changed(row=BIG, remote=BIG | {"unseen": 2}, abilities=PLAIN),
        Changed(row=BIG | {"compared_at": NOW - FLAGS_REST}, remote=BIG, abilities=PLAIN),
    ],
)
def test_when_a_mailbox_need_not_be_opened(case: Changed) -> None:
    row = dataclasses.replace(ROW, **case.row)  # type: ignore[arg-type]  # fields of the row
    remote = dataclasses.replace(REMOTE, **case.remote)  # type: ignore[arg-type]  # fields of the listing
    assert is_unchanged(row, remote, case.abilities, now=NOW) is case.unchanged


@pytest.mark.parametrize(
    ("row", "selected", "abilities", "way"),
    [
        ({}, {}, RESYNC, Way.NOTHING),
        ({"uid_validity": None}, {}, RESYNC, Way.LISTING),
        ({}, {"uid_validity": 6}, RESYNC, Way.RENUMBERED),
        ({}, {"uid_next": 10}, RESYNC, Way.RENUMBERED),
        ({}, {"uid_next": None}, RESYNC, Way.SINCE),
        ({}, {"highest_modseq": 99}, RESYNC, Way.LISTING),
        ({}, {"highest_modseq": None}, RESYNC, Way.LISTING),
        ({}, {"highest_modseq": 0}, RESYNC, Way.LISTING),
        ({"highest_modseq": None}, {}, RESYNC, Way.LISTING),
        ({}, {"highest_modseq": 101, "changed": ()}, RESYNC, Way.RESYNC),
        ({}, {"highest_modseq": 101}, SINCE, Way.SINCE),
        ({}, {"exists": 11}, RESYNC, Way.SINCE),
        ({}, {"highest_modseq": 101}, PLAIN, Way.LISTING),
    ],
)
def test_how_a_mailbox_is_followed(
    row: dict[str, object], selected: dict[str, object], abilities: Abilities, way: Way
) -> None:
    stored = dataclasses.replace(ROW, **row)  # type: ignore[arg-type]  # fields of the row
    opened = dataclasses.replace(SELECTED, **selected)  # type: ignore[arg-type]  # fields of what opening it tells
    assert way_to_follow(stored, opened, abilities) is way


def test_what_others_fetch_and_what_was_refused_is_left_alone() -> None:
    news = News(lines=[FlagLine(uid, ()) for uid in range(1, 9)], listed=UidSet.of(range(1, 9)), whole=True)
    held = Held(placed=UidSet.of([1]), refused=UidSet.of([2, 3, 20]), due=UidSet.of([3]), pending=UidSet.of([5, 6]))

    todo = plan(news, held)

    assert todo.missing == UidSet.of([3, 4, 7, 8])
    assert todo.forgotten == UidSet.of([20])


def test_flags_that_were_read_later_are_not_overwritten() -> None:
    held = Held(placed=UidSet.of([1, 2]), flags={1: FlagLine(1, ("a",), 9), 2: FlagLine(2, ("a",), 5)})
    lines = [FlagLine(1, (), 7), FlagLine(2, (), 7)]

    assert [line.uid for line in plan(News(lines=lines), held).reflag] == [2]
    assert [line.uid for line in plan(News(lines=lines, listed=held.placed, whole=True), held).reflag] == [1, 2]


@pytest.mark.parametrize(
    ("vanished", "pending", "exists", "fits"),
    [([2], [], 3, True), ([], [], 3, False), ([], [], 4, True), ([], [7], 1, True)],
)
def test_changes_add_up(vanished: list[int], pending: list[int], exists: int, fits: bool) -> None:
    news = News(lines=[FlagLine(4, ())], vanished=UidSet.of(vanished))
    held = Held(placed=UidSet.of([1, 2]), refused=UidSet.of([3]), pending=UidSet.of(pending))
    assert counts_fit(news, held, exists=exists) is fits


def test_a_mailbox_with_unstable_uids_rests_for_an_hour() -> None:
    unstable = dataclasses.replace(ROW, validity_changes=UNSTABLE_FROM)
    assert must_rest(unstable, now=NOW + timedelta(minutes=59))
    assert not must_rest(unstable, now=NOW + timedelta(minutes=60))
    assert not must_rest(dataclasses.replace(ROW, validity_changes=UNSTABLE_FROM - 1), now=NOW)


def test_what_is_often_emptied_is_not_suspicious() -> None:
    assert is_suspicious(ROW, held=SUSPICIOUS_FROM)
    assert not is_suspicious(ROW, held=SUSPICIOUS_FROM - 1)
    assert not is_suspicious(dataclasses.replace(ROW, role="trash"), held=SUSPICIOUS_FROM)


def test_what_is_told_of_and_vanished_is_gone() -> None:
    held = Held(placed=UidSet.of([1]), flags={1: FlagLine(1, ())})

    todo = plan(News(lines=[FlagLine(1, ("a",)), FlagLine(2, ())], vanished=UidSet.of([1, 2])), held)

    assert (todo.gone, todo.reflag, todo.missing) == (UidSet.of([1]), (), EMPTY)
