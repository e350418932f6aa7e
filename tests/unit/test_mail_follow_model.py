"""Following a mailbox: whatever it goes through, and wherever syncs end, a whole one leads to what is there."""

from __future__ import annotations

import dataclasses

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from servants.email.follow import Held, News, Way, is_unchanged, modseq_went_back, plan, way_to_follow
from servants.email.uid_sets import EMPTY
from servants.email.values import FlagLine, Selected, UidSet
from tests.unit.test_mail_follow import NOW, PLAIN, REMOTE, RESYNC, ROW, SINCE


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
