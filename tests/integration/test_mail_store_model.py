"""Any sequence of arrivals and losses, in any pages, against what a plain reading of the rules makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.postgres.connect import Database
from servants.email.threads import SUBJECT_WINDOW
from servants.email.values import NewMessage
from tests.support.mail_store import NOON, mail_account, message
from tests.support.stored_mail import StoredContact, StoredThread, faults_of_store, stored_contacts, stored_threads

DAY = timedelta(days=1)

PEOPLE = ("ann@example.com", "bo@example.com", "cy@example.com")
NAMES = ("", "Ann", "Bo B.")
SUBJECTS = (("Plan", False, "plan"), ("Re: Plan", True, "plan"), ("Fwd: Menu", True, "menu"), ("Menu", False, "menu"))


@dataclass(frozen=True)
class Spec:
    """A message of the model. `names` are the numbers of the messages that its headers name."""

    number: int
    names: tuple[int, ...]
    subject: tuple[str, bool, str]
    sender: tuple[str, str]
    to: tuple[tuple[str, str], ...]
    days: int

    @property
    def at(self) -> datetime:
        return NOON + self.days * DAY

    @property
    def keys(self) -> set[int]:
        return {self.number, *self.names}

    @property
    def people(self) -> list[tuple[str, str]]:
        return [self.sender, *self.to]

    @property
    def message(self) -> NewMessage:
        written = [f"{name} <{address}>" if name else address for address, name in self.people]
        return message(
            str(self.number),
            subject=self.subject[0],
            sender=written[0],
            to=written[1:],
            references=[f"<{number}@host>" for number in self.names],
            sent_at=self.at,
        )


def answers(answer: Spec, parent: Spec) -> bool:
    """Whether the subject alone ties them."""
    return (
        not answer.names
        and answer.subject[1]
        and answer.subject[2] == parent.subject[2]
        and timedelta(0) <= answer.at - parent.at <= SUBJECT_WINDOW
        and answer.sender[0] in {address for address, _ in parent.people}
        and parent.sender[0] in {address for address, _ in answer.people}
    )


def parts(specs: Sequence[Spec]) -> list[list[Spec]]:
    """What is tied together, by joining every two that are tied."""
    found: list[list[Spec]] = []
    for spec in specs:
        tied = [part for part in found if any(spec.keys & o.keys or answers(spec, o) or answers(o, spec) for o in part)]
        found = [part for part in found if part not in tied] + [[spec, *(one for part in tied for one in part)]]
    return found


def expected_threads(seen: Sequence[Spec], live: set[int]) -> set[StoredThread]:
    return {
        StoredThread(
            frozenset(spec.message.identity for spec in part),
            sum(spec.number in live for spec in part),
            min(spec.at for spec in part),
            max(spec.at for spec in part),
        )
        for part in parts(seen)
    }


def expected_contacts(seen: Sequence[Spec], live: set[int]) -> dict[str, StoredContact]:
    found = {}
    for address in {address for spec in seen for address, _ in spec.people}:
        naming = [spec for spec in seen if address in {one for one, _ in spec.people}]
        named = [(spec.at, name) for spec in naming for one, name in spec.people if one == address and name]
        found[address] = StoredContact(
            max(named)[1] if named else None,
            min(spec.at for spec in naming),
            max(spec.at for spec in naming),
            sum(spec.number in live for spec in naming),
        )
    return found


person = st.tuples(st.sampled_from(PEOPLE), st.sampled_from(NAMES))


@st.composite
def specs(draw: st.DrawFn) -> list[Spec]:
    def spec(number: int) -> Spec:
        named = st.lists(st.integers(0, 9).filter(lambda n: n != number), max_size=2, unique=True)
        return Spec(
            number,
            tuple(draw(st.sampled_from((st.just([]), named)).flatmap(lambda chosen: chosen))),
            draw(st.sampled_from(SUBJECTS)),
            draw(person),
            tuple(draw(st.lists(person, min_size=1, max_size=3))),
            draw(st.sampled_from((0, 1, 20, 40, 75))),
        )

    return [spec(number) for number in range(draw(st.integers(1, 8)))]


steps = st.lists(
    st.tuples(
        st.sampled_from(("arrive", "arrive", "leave", "end")), st.lists(st.integers(0, 7), min_size=1, max_size=5)
    ),
    min_size=1,
    max_size=12,
)


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(specs=specs(), steps=steps)
def test_counts_and_threads_are_those_computed_from_scratch(
    database: Database, sql: psycopg.Connection, specs: list[Spec], steps: list[tuple[str, list[int]]]
) -> None:
    account = mail_account(database)
    ids: dict[int, int] = {}
    placed: set[int] = set()
    live: set[int] = set()
    for step, chosen in steps:
        numbers = [number for number in chosen if number < len(specs)]
        if step == "arrive" and numbers:
            saved = account.save(*(specs[number].message for number in numbers))
            account.place(saved)
            ids.update(zip(numbers, saved, strict=True))
            placed.update(numbers)
            live.update(numbers)
        elif step == "leave":
            account.remove(ids[number] for number in numbers if number in ids)
            placed.difference_update(numbers)
        elif step == "end":
            assert account.finish() == len(live - placed)
            live &= placed
        seen = [specs[number] for number in ids]
        assert stored_threads(sql, account.connection.id) == expected_threads(seen, live)
        assert stored_contacts(sql, account.connection.account_id) == expected_contacts(seen, live)
    assert not faults_of_store(sql, account.connection.id)
