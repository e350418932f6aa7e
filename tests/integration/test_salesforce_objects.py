"""The objects of an org and their fields: what is chosen, how far each is, and what a new description changes."""

from __future__ import annotations

import psycopg
import pytest

from infra.postgres.connect import Database
from infra.postgres.salesforce_fields import (
    Drift,
    NewField,
    Retyped,
    StaleReason,
    list_fields,
    mark_stale,
    save_fields,
)
from infra.postgres.salesforce_objects import (
    ObjectState,
    find_object,
    list_objects,
    note_described,
    note_formulas,
    note_reconciled,
    note_synced,
    save_state,
    select_objects,
)
from tests.support.factories import add_account
from tests.support.principals import member, reading
from tests.support.stored_records import RecordAccount, count_rows, record_account


@pytest.fixture
def account(database: Database) -> RecordAccount:
    return record_account(database)


def choose(account: RecordAccount, *names: str) -> None:
    with account.commit() as tx:
        select_objects(tx, account.connection, names)


def chosen(account: RecordAccount, sql: psycopg.Connection, *, selected_only: bool = True) -> list[str]:
    return [one.name for one in list_objects(sql, account.connection.id, selected_only=selected_only)]


def describe(account: RecordAccount, *fields: NewField, name: str = "Lead") -> Drift:
    with account.commit() as tx:
        return save_fields(tx, account.connection, name, fields)


def test_objects_are_chosen_and_left_out(account: RecordAccount, sql: psycopg.Connection) -> None:
    choose(account, "Lead", "Account", "Lead")
    assert chosen(account, sql) == ["Account", "Lead"]
    choose(account, "Lead", "Task")
    assert chosen(account, sql) == ["Lead", "Task"]
    assert chosen(account, sql, selected_only=False) == ["Account", "Lead", "Task"]
    choose(account)
    assert chosen(account, sql) == []


def test_an_object_that_is_chosen_again_goes_on_from_where_it_was(
    account: RecordAccount, sql: psycopg.Connection
) -> None:
    choose(account, "Lead")
    with account.commit() as tx:
        save_state(tx, account.connection, "Lead", ObjectState.LIVE)
    choose(account)
    choose(account, "Lead")
    found = find_object(sql, account.connection.id, "Lead")
    assert found is not None
    assert (found.state, found.selected) == (ObjectState.LIVE, True)


def test_an_object_begins_with_nothing_known(account: RecordAccount, sql: psycopg.Connection) -> None:
    choose(account, "Lead")
    (found,) = list_objects(sql, account.connection.id)
    assert (found.state, found.problem, found.bulk) == (ObjectState.PENDING, None, True)
    assert (found.chosen, found.field_generation, found.position) == (None, 0, {})
    assert (found.described_at, found.synced_at, found.reconciled_at, found.formulas_at) == (None, None, None, None)
    assert (found.connection_id, found.account_id) == (account.connection.id, account.connection.account_id)
    assert find_object(sql, account.connection.id, "Task") is None


def test_what_is_noted_of_an_object_is_found_again(account: RecordAccount, sql: psycopg.Connection) -> None:
    choose(account, "Lead", "Task")
    modified = "Mon, 02 Nov 2026 12:00:00 GMT"
    with account.commit() as tx:
        note_described(tx, account.connection, "Lead", label="Lead", key_prefix="00Q", modified=modified, bulk=False)
        note_synced(tx, account.connection, "Lead")
        note_reconciled(tx, account.connection, "Lead", {"equal": True})
        note_formulas(tx, account.connection, "Lead")
        save_state(tx, account.connection, "Lead", ObjectState.GONE, problem="It is described no more.")
    lead, task = list_objects(sql, account.connection.id)
    assert (lead.label, lead.key_prefix, lead.describe_modified, lead.bulk) == ("Lead", "00Q", modified, False)
    assert (lead.state, lead.problem, lead.reconciled) == (
        ObjectState.GONE,
        "It is described no more.",
        {"equal": True},
    )
    noted = [lead.described_at, lead.synced_at, lead.reconciled_at, lead.formulas_at]
    assert all(moment is not None for moment in noted)
    assert (task.label, task.synced_at, task.state) == (None, None, ObjectState.PENDING)


def test_a_first_description_adds_every_field(account: RecordAccount, sql: psycopg.Connection) -> None:
    fields = [NewField("Id", "id"), NewField("Name", "string", {"length": 80}), NewField("Score", "double", {}, True)]
    assert describe(account, *fields) == Drift(added=["Id", "Name", "Score"])
    stored = list_fields(sql, account.connection.id, "Lead")
    assert [NewField(one.name, one.type, one.details, one.calculated) for one in stored] == fields
    assert describe(account, *fields) == Drift()


def test_a_description_that_says_the_same_writes_nothing(account: RecordAccount, sql: psycopg.Connection) -> None:
    fields = [NewField("Id", "id"), NewField("Name", "string", {"length": 80})]
    describe(account, *fields)
    rows = "SELECT name, ctid::text, xmin::text FROM salesforce_fields ORDER BY 1"
    before = sql.execute(rows).fetchall()
    describe(account, *fields)
    assert sql.execute(rows).fetchall() == before


def test_a_description_tells_what_came_went_and_changed(account: RecordAccount, sql: psycopg.Connection) -> None:
    describe(account, NewField("Id", "id"), NewField("Age", "int"), NewField("Old", "string"))
    drift = describe(account, NewField("Id", "id"), NewField("New", "string"), NewField("Age", "double"))
    assert drift == Drift(added=["New"], vanished=["Old"], retyped=[Retyped("Age", "int", "double")])
    assert [one.name for one in list_fields(sql, account.connection.id, "Lead")] == ["Id", "New", "Age"]
    stale = [one for one in list_fields(sql, account.connection.id, "Lead", with_stale=True) if one.stale_at]
    assert [(one.name, one.type, one.stale_reason) for one in stale] == [("Old", "string", StaleReason.UNKNOWN)]


def test_a_field_that_comes_back_is_stale_no_more(account: RecordAccount, sql: psycopg.Connection) -> None:
    describe(account, NewField("Id", "id"), NewField("Age", "int"))
    assert describe(account, NewField("Id", "id")) == Drift(vanished=["Age"])
    assert describe(account, NewField("Id", "id")) == Drift()
    drift = describe(account, NewField("Id", "id"), NewField("Age", "string"))
    assert drift == Drift(returned=["Age"], retyped=[Retyped("Age", "int", "string")])
    assert [one.stale_reason for one in list_fields(sql, account.connection.id, "Lead")] == [None, None]


def test_why_a_field_is_stale_can_be_learned_later(account: RecordAccount, sql: psycopg.Connection) -> None:
    describe(account, NewField("Id", "id"), NewField("Age", "int"))
    describe(account, NewField("Id", "id"))
    (before,) = [one for one in list_fields(sql, account.connection.id, "Lead", with_stale=True) if one.stale_at]
    with account.commit() as tx:
        mark_stale(tx, account.connection, "Lead", ["Age"], reason=StaleReason.PERMISSION)
    (after,) = [one for one in list_fields(sql, account.connection.id, "Lead", with_stale=True) if one.stale_at]
    assert (after.stale_reason, after.stale_at) == (StaleReason.PERMISSION, before.stale_at)


def test_fields_of_objects_and_connections_are_apart(
    account: RecordAccount, database: Database, sql: psycopg.Connection
) -> None:
    other = record_account(database, account_id=account.connection.account_id)
    for where in (account, other):
        describe(where, NewField("Id", "id"))
    describe(account, NewField("Id", "id"), name="Task")
    assert describe(account) == Drift(vanished=["Id"])
    assert [one.name for one in list_fields(sql, other.connection.id, "Lead")] == ["Id"]
    assert [one.name for one in list_fields(sql, account.connection.id, "Task")] == ["Id"]


def test_a_connection_takes_its_objects_along_and_other_accounts_see_none(
    account: RecordAccount, sql: psycopg.Connection, database_url: str
) -> None:
    choose(account, "Lead")
    describe(account, NewField("Id", "id"))
    tables = ("salesforce_objects", "salesforce_fields")
    others = add_account(sql, "Others")
    for account_id, seen in ((account.connection.account_id, 1), (others, 0)):
        with reading(database_url, member(sql, account_id)) as reader:
            assert [count_rows(reader, table) for table in tables] == [seen, seen]
    sql.execute("DELETE FROM connections")
    assert [count_rows(sql, table) for table in tables] == [0, 0]
