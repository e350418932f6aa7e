"""Lists of an account: complete, in order, and of no other account, as its own confined session reads them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.postgres.account_view.activities import activities_of_opportunity
from infra.postgres.account_view.connections import view_connection, view_connections
from infra.postgres.account_view.crm_contacts import (
    CrmContactOrder,
    crm_contacts_of_person,
    view_crm_contact,
    view_crm_contacts,
)
from infra.postgres.account_view.opportunities import OpportunityOrder, view_opportunities, view_opportunity
from infra.postgres.account_view.paging import position_of, token_of
from infra.postgres.account_view.people import PeopleOrder, view_people, view_person
from infra.postgres.imports import Kind, begin_import
from retinue.errors import InvalidPayload, NotFound
from tests.support.account_data import NOON, AccountData
from tests.support.account_reader import account_reader, all_of


@pytest.fixture
def own(sql: psycopg.Connection) -> AccountData:
    return AccountData(sql, "Acme")


@pytest.fixture
def other(sql: psycopg.Connection) -> AccountData:
    return AccountData(sql, "Globex")


@pytest.fixture
def reader(database_url: str, own: AccountData, other: AccountData) -> Iterator[psycopg.Connection]:
    with account_reader(database_url, own.account_id) as reader:
        yield reader


def fill(data: AccountData) -> None:
    """The same in both accounts, but for whose it is."""
    for number in range(7):
        data.record("Account", f"A{number}", Name=f"Firm {number} of {data.name}")
        data.record("User", f"U{number}", Name=f"Seller {number} of {data.name}")
        data.record(
            "Opportunity",
            f"O{number}",
            # Some share a version, as what was loaded together does, and a close date.
            version=1_700_000_000_000_000 + number // 3,
            Name=f"Deal {number} of {data.name}",
            StageName="Won",
            Amount=number * 10.5,
            CloseDate=f"2026-12-0{1 + number // 2}",
            AccountId=f"A{number}",
            OwnerId=f"U{number}",
        )
        data.record(
            "Contact", f"C{number}", version=number // 3, Name=f"Name {number // 2}", Email=f" P{number}@Firm.example"
        )
        data.person(f"p{number}@firm.example", f"Name {number // 2}" if number else None, seen=number // 3)


@pytest.fixture
def filled(own: AccountData, other: AccountData, reader: psycopg.Connection) -> psycopg.Connection:
    fill(own)
    fill(other)
    return reader


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 50])
@pytest.mark.parametrize("order", OpportunityOrder)
def test_opportunities_are_paged_through(
    filled: psycopg.Connection, own: AccountData, order: OpportunityOrder, limit: int
) -> None:
    found = all_of(lambda after: view_opportunities(filled, own.account_id, order=order, after=after, limit=limit))
    assert [one.external_id for one in found] == [f"O{number}" for number in reversed(range(7))]
    assert {one.connection_id for one in found} == {own.org}
    assert {one.company for one in found} == {f"Firm {number} of Acme" for number in range(7)}


def test_an_opportunity_tells_of_its_money_company_and_owner(filled: psycopg.Connection, own: AccountData) -> None:
    found = view_opportunity(filled, own.account_id, own.org, "O3")
    assert (found.name, found.stage, found.money, found.currency) == ("Deal 3 of Acme", "Won", Decimal("31.5"), None)
    assert (found.closes_on, found.company, found.owner) == ("2026-12-02", "Firm 3 of Acme", "Seller 3 of Acme")
    assert found.changed_at is not None
    assert found.changed_at.timestamp() == 1_700_000_000.000001


def test_what_is_deleted_is_not_listed(filled: psycopg.Connection, own: AccountData) -> None:
    own.sql.execute("UPDATE records SET deleted_at = now() WHERE external_id IN ('O3', 'C3', 'A2', 'U2')")
    assert "O3" not in {one.external_id for one in view_opportunities(filled, own.account_id).items}
    assert "C3" not in {one.external_id for one in view_crm_contacts(filled, own.account_id).items}
    with pytest.raises(NotFound):
        view_opportunity(filled, own.account_id, own.org, "O3")
    assert view_opportunity(filled, own.account_id, own.org, "O2").company is None


def test_nothing_of_another_account_is_shown(filled: psycopg.Connection, own: AccountData, other: AccountData) -> None:
    # Whoever asks for the other account gets nothing, for the session is confined.
    assert view_opportunities(filled, other.account_id).items == []
    assert view_people(filled, other.account_id).items == []
    assert view_connections(filled, other.account_id).items == []
    with pytest.raises(NotFound):
        view_opportunity(filled, own.account_id, other.org, "O1")
    with pytest.raises(NotFound):
        view_connection(filled, own.account_id, other.mail)


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
@pytest.mark.parametrize("order", CrmContactOrder)
def test_crm_contacts_are_paged_through(
    filled: psycopg.Connection, own: AccountData, order: CrmContactOrder, limit: int
) -> None:
    found = all_of(lambda after: view_crm_contacts(filled, own.account_id, order=order, after=after, limit=limit))
    listed = [f"C{number}" for number in range(7)]
    assert [one.external_id for one in found] == (listed if order is CrmContactOrder.NAME else listed[::-1])


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
@pytest.mark.parametrize("order", PeopleOrder)
def test_people_are_paged_through(filled: psycopg.Connection, own: AccountData, order: PeopleOrder, limit: int) -> None:
    found = all_of(lambda after: view_people(filled, own.account_id, order=order, after=after, limit=limit))
    # The first has no name, and is sorted by the address.
    named = [f"p{number}@firm.example" for number in (1, 2, 3, 4, 5, 6, 0)]
    seen = [f"p{number}@firm.example" for number in reversed(range(7))]
    assert [one.address for one in found] == (named if order is PeopleOrder.NAME else seen)


def test_people_and_crm_contacts_know_one_another_by_address(
    filled: psycopg.Connection, own: AccountData, other: AccountData
) -> None:
    contact = view_crm_contact(filled, own.account_id, own.org, "C4")
    assert contact.email == "p4@firm.example"
    assert contact.person_id is not None
    person = view_person(filled, own.account_id, contact.person_id)
    assert person.address == "p4@firm.example"
    again = own.record("Contact", "C9", Name="Again", Email="P4@FIRM.EXAMPLE")
    assert [one.external_id for one in crm_contacts_of_person(filled, own.account_id, person.id)] == ["C4", again]


def test_a_contact_without_an_address_is_nobody_in_the_mail(reader: psycopg.Connection, own: AccountData) -> None:
    own.record("Contact", "C1", Name="Shy")
    own.record("Contact", "C2", Name="Empty", Email="")
    own.person("a@b.example")
    assert [one.person_id for one in view_crm_contacts(reader, own.account_id).items] == [None, None]


def test_values_that_are_none_do_not_stop_a_page(reader: psycopg.Connection, own: AccountData) -> None:
    own.record("Opportunity", "O1", version=2**62, Amount="NaN", CloseDate=None, Name=None)
    own.record("Opportunity", "O2", Amount="•••", CloseDate="•••", Name="•••", AccountId="•••")
    for order in OpportunityOrder:
        for one in view_opportunities(reader, own.account_id, order=order).items:
            assert (one.money, one.company) == (None, None)


def test_activities_of_an_opportunity_are_the_latest_first(reader: psycopg.Connection, own: AccountData) -> None:
    own.record("Opportunity", "O1", Name="Deal")
    own.record("Task", "T1", WhatId="O1", ActivityDate="2026-03-02", Subject="Call", Status="Open")
    own.record("Event", "E1", WhatId="O1", ActivityDateTime="2026-03-02T10:00:00.000+0000", Subject="Visit")
    own.record("Task", "T2", WhatId="O2", ActivityDate="2026-03-03", Subject="Of another")
    own.record("Task", "T3", WhatId="O1", Subject="At no time")
    found = all_of(lambda after: activities_of_opportunity(reader, own.account_id, own.org, "O1", after=after, limit=1))
    assert [(one.kind, one.external_id) for one in found] == [("Event", "E1"), ("Task", "T1"), ("Task", "T3")]
    assert [one.at for one in found] == [
        datetime.fromisoformat("2026-03-02T10:00:00+00:00"),
        datetime.fromisoformat("2026-03-02T00:00:00+00:00"),
        None,
    ]


def test_connections_tell_how_far_they_are(reader: psycopg.Connection, own: AccountData) -> None:
    begin_import(own.sql, connection_id=own.mail, account_id=own.account_id, kind=Kind.EMAIL, total=200, done=50)
    own.sql.execute(
        "INSERT INTO mailboxes (account_id, connection_id, name, messages, synced_at) VALUES"
        " (%(a)s, %(c)s, 'INBOX', 30, now() - interval '2 minutes'),"
        " (%(a)s, %(c)s, 'Sent', 20, now() - interval '1 hour')",
        {"a": own.account_id, "c": own.mail},
    )
    own.sql.execute(
        "UPDATE connections SET state = 'broken', problem = 'refused: password=hunter2' WHERE id = %s", (own.org,)
    )
    mail, agenda, org = all_of(lambda after: view_connections(reader, own.account_id, after=after, limit=1))
    assert (mail.id, mail.provider, mail.sources, mail.held, mail.unread) == (own.mail, "imap", 2, 50, 0)
    assert mail.lag is not None
    assert timedelta(minutes=60) <= mail.lag < timedelta(minutes=61)
    assert mail.first_sync is not None
    assert (mail.first_sync.percent, mail.first_sync.total) == (25, 200)
    assert (agenda.sources, agenda.synced_at, agenda.first_sync) == (1, NOON, None)
    assert (org.state, org.lag) == ("broken", None)
    assert "hunter2" not in str(org.problem)
    detail = view_connection(reader, own.account_id, own.mail)
    assert [source.name for source in detail.sources] == ["INBOX", "Sent"]
    assert detail.connection.id == own.mail


@pytest.mark.parametrize(
    "token",
    ["", "x", "WzFd", "é", token_of("a", 1), token_of(1, 1), token_of(2**63, 0, ""), token_of(1, 1, "\0"), "a" * 999],
)
def test_what_is_no_place_in_a_list_is_refused(reader: psycopg.Connection, own: AccountData, token: str) -> None:
    with pytest.raises(InvalidPayload, match="place in the list"):
        view_opportunities(reader, own.account_id, after=token)


@given(st.integers(-(2**62), 2**62), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_token_gives_back_its_position(number: int, text: str) -> None:
    assert position_of(token_of(number, text, NOON), 0, "", NOON) == (number, text, NOON)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(versions=st.lists(st.integers(1, 3), max_size=12), limit=st.integers(1, 5))
def test_no_line_is_left_out_or_shown_twice(
    reader: psycopg.Connection, own: AccountData, versions: list[int], limit: int
) -> None:
    own.sql.execute("DELETE FROM records")
    for number, version in enumerate(versions):
        own.record("Opportunity", f"O{number}", version=version, CloseDate=str(version))
    for order in OpportunityOrder:
        ask = partial(view_opportunities, reader, own.account_id, order=order, limit=limit)
        found = all_of(lambda after, ask=ask: ask(after=after))  # type: ignore[misc] # mypy does not infer a default's type
        places = [(one.modified, one.external_id) for one in found]
        assert places == sorted(zip(versions, (f"O{n}" for n in range(len(versions))), strict=True), reverse=True)
