"""Following a mailbox: whatever a server's mailbox went through, its news and the plan lead to what is there."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

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
    modseq_went_back,
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


class Mailbox(RuleBasedStateMachine):
    """A server's mailbox, our copy of it, and syncs that may end anywhere."""

    abilities = RESYNC

    def __init__(self) -> None:
        super().__init__()
        self.there: dict[int, FlagLine] = {}
        self.went: dict[int, int] = {}
        self.modseq, self.next_uid, self.validity = 1, 1, 1
        self.placed: dict[int, FlagLine] = {}
        self.row = dataclasses.replace(
            ROW, uid_validity=None, uid_next=None, highest_modseq=None, messages=None, synced_at=None
        )
        self.in_step = False

    def _touch(self, uid: int, flags: tuple[str, ...]) -> None:
        self.modseq += 1
        self.there[uid] = FlagLine(uid, flags, self.modseq if self.abilities.condstore else None)
        self.in_step = False

    @rule(seen=st.booleans())
    def arrive(self, seen: bool) -> None:
        self._touch(self.next_uid, ("\\Seen",) if seen else ())
        self.next_uid += 1

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def flag(self, data: st.DataObject) -> None:
        uid = data.draw(st.sampled_from(sorted(self.there)))
        self._touch(uid, data.draw(st.sampled_from([(), ("\\Seen",), ("\\Flagged", "\\Seen")])))

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def expunge(self, data: st.DataObject) -> None:
        uid = data.draw(st.sampled_from(sorted(self.there)))
        del self.there[uid]
        # A server without QRESYNC need not count it (RFC 7162 §3.1.2.1).
        self.modseq += self.abilities.qresync
        self.went[uid] = self.modseq
        self.in_step = False

    @rule()
    def renumber(self) -> None:
        self.validity += 1
        lines = [self.there[uid] for uid in sorted(self.there)]
        self.there = {uid: dataclasses.replace(line, uid=uid) for uid, line in enumerate(lines, start=1)}
        self.went, self.next_uid = {}, len(lines) + 1
        self.in_step = False

    @rule()
    def repair(self) -> None:
        """The server counts changes anew, from 1 on."""
        self.modseq = 1
        self.there = {uid: dataclasses.replace(line, modseq=1) for uid, line in self.there.items()}
        # What it counts from here on may reach our number again; a mailbox in which that happens is compared daily.
        if self.row.highest_modseq is not None:
            self.row = dataclasses.replace(self.row, highest_modseq=self.row.highest_modseq + 1000)
            self.placed = {u: dataclasses.replace(line, modseq=9000) for u, line in self.placed.items()}
        self.in_step = False

    @rule(until=st.sampled_from(["plan", "missing", "end"]), data=st.data())
    def sync(self, until: str, data: st.DataObject) -> None:
        selected = self._open()
        way = way_to_follow(self.row, selected, self.abilities)
        if way is Way.RENUMBERED or self.row.uid_validity is None:
            self.placed = {} if way is Way.RENUMBERED else self.placed
            self.row = dataclasses.replace(self.row, uid_validity=self.validity, uid_next=None, highest_modseq=None)
        elif modseq_went_back(self.row, selected):
            self.row = dataclasses.replace(self.row, highest_modseq=None)
            self.placed = {uid: dataclasses.replace(line, modseq=None) for uid, line in self.placed.items()}
        news = self._news(way, selected)
        missing = self._apply(news)
        if until == "plan":
            return
        uids = sorted(missing, reverse=True)
        kept = data.draw(st.integers(0, len(uids))) if until == "missing" else len(uids)
        self.placed |= {uid: self.there[uid] for uid in uids[:kept] if uid in self.there}
        if until == "end":
            self._apply(news)
            self.row = dataclasses.replace(
                self.row,
                uid_next=selected.uid_next,
                highest_modseq=selected.highest_modseq,
                messages=selected.exists,
                synced_at=NOW,
            )
            self.in_step = True

    def _open(self) -> Selected:
        known = self.row.highest_modseq
        tells = self.abilities.qresync and self.row.uid_validity == self.validity and known is not None
        return Selected(
            self.validity,
            self.next_uid,
            len(self.there),
            self.modseq if self.abilities.condstore else None,
            vanished=UidSet.of(u for u, at in self.went.items() if at > (known or 0)) if tells else None,
            changed=self._since(known or 0) if tells else None,
        )

    def _since(self, modseq: int) -> tuple[FlagLine, ...]:
        return tuple(line for line in self.there.values() if (line.modseq or 0) > modseq)

    def _news(self, way: Way, selected: Selected) -> News:
        listed = UidSet.of(self.there)
        if way is Way.NOTHING:
            return News()
        if way is Way.RESYNC:
            return News(lines=selected.changed or (), vanished=selected.vanished or EMPTY)
        if way is Way.SINCE:
            return News(lines=self._since(self.row.highest_modseq or 0), listed=listed)
        return News(lines=tuple(self.there.values()), listed=listed, whole=True)

    def _apply(self, news: News) -> UidSet:
        held = Held(placed=UidSet.of(self.placed), flags=dict(self.placed))
        todo = plan(news, held)
        for uid in todo.gone:
            del self.placed[uid]
        self.placed |= {line.uid: line for line in todo.reflag}
        return todo.missing

    @invariant()
    def equal_after_a_whole_run(self) -> None:
        if self.in_step:
            assert {uid: line.flags for uid, line in self.placed.items()} == {
                uid: line.flags for uid, line in self.there.items()
            }
            remote = dataclasses.replace(
                REMOTE,
                uid_validity=self.validity,
                uid_next=self.next_uid,
                highest_modseq=self.modseq,
                messages=len(self.there),
            )
            assert is_unchanged(self.row, remote, self.abilities, now=NOW) or not self.abilities.condstore


class MailboxSince(Mailbox):
    abilities = SINCE


class MailboxPlain(Mailbox):
    abilities = PLAIN


for machine in (Mailbox, MailboxSince, MailboxPlain):
    machine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)

TestResync = Mailbox.TestCase
TestSince = MailboxSince.TestCase
TestPlain = MailboxPlain.TestCase


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
