"""A connection is removed: nothing of it stays in any table, nothing of others goes, and no job of it writes again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from infra.keys import generate_key
from infra.postgres import connection_data
from infra.postgres.bell import Bell
from infra.postgres.breakers import Attempt, connection_scope, record_failure
from infra.postgres.connect import Database
from infra.postgres.connection_data import count_data, data_tables
from infra.postgres.connection_removal import plan_removal, remove_connection
from infra.postgres.holds import connection_lane
from infra.postgres.schema import metadata
from infra.secrets import Keyring
from retinue.breaker import Breaker
from retinue.errors import LeaseLost, NotFound
from retinue.job import Job, JobFacts
from retinue.outcomes import Park
from servants.runtime.services import Services
from servants.system import Echo
from tests.support.assertions import assert_consistent, history_of
from tests.support.calendar_job import CalendarAccount, account
from tests.support.factories import ECHO, add_jobs, add_schedule, add_servant, run_jobs, settle_one
from tests.support.mail_store import MailAccount, mail_account, message
from tests.support.race import in_background, wait_until_blocked
from tests.support.radicale_server import Hand, hand_with_calendar, radicale
from tests.support.stored_mail import faults_of_store, stored_contacts

__all__ = ["account", "hand_with_calendar", "radicale"]

EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:a
DTSTAMP:20260101T000000Z
DTSTART:20261202T090000Z
ORGANIZER:mailto:ann@example.com
ATTENDEE:mailto:ann@example.com
ATTENDEE:mailto:bo@example.com
END:VEVENT
END:VCALENDAR
"""


def remove(sql: psycopg.Connection, connection_id: int) -> list[tuple[str, int]]:
    return list(remove_connection(sql, Keyring(generate_key()), plan_removal(sql, connection_id)))


def fill(mail: MailAccount, names: str) -> None:
    mail.place(mail.save(*(message(name) for name in names)))


def test_all_of_a_mailbox_goes_and_nothing_of_its_neighbour(database: Database, sql: psycopg.Connection) -> None:
    gone = mail_account(database)
    kept = mail_account(database, account_id=gone.connection.account_id)
    fill(gone, "abcdef")
    fill(kept, "bcd")
    gone.remove(gone.save(message("g")))

    remove(sql, gone.connection.id)

    assert count_data(sql, gone.connection.id) == {}
    assert faults_of_store(sql, kept.connection.id) == {}
    assert sql.execute("SELECT count(*) FROM mail_messages").fetchone() == (3,)
    assert sql.execute("SELECT count(*) FROM placements").fetchone() == (3,)
    assert sql.execute("SELECT count(DISTINCT message_id) FROM message_participants").fetchone() == (3,)
    contacts = stored_contacts(sql, gone.connection.account_id)
    assert {address: contact.messages for address, contact in contacts.items()} == {
        "ann@example.com": 3,
        "bo@example.com": 3,
    }
    with pytest.raises(NotFound, match=f"no connection {gone.connection.id}"):
        plan_removal(sql, gone.connection.id)


def test_deleted_messages_were_counted_no_more(database: Database, sql: psycopg.Connection) -> None:
    mail = mail_account(database)
    fill(mail, "abc")
    (row,) = sql.execute("SELECT id FROM mail_messages ORDER BY id LIMIT 1").fetchall()
    mail.remove(row)
    assert mail.finish() == 1
    remove(sql, mail.connection.id)
    assert {contact.messages for contact in stored_contacts(sql, mail.connection.account_id).values()} == {0}


def test_all_of_a_calendar_goes(account: CalendarAccount, hand: Hand, sql: psycopg.Connection) -> None:
    hand.put("work/a.ics", EVENT)
    account.sync()
    contacts = stored_contacts(sql, account.connection_value.account_id)
    assert {contact.events for contact in contacts.values()} == {1}

    remove(sql, account.connection_value.id)

    for table in ("calendars", "calendar_objects", "calendar_events", "calendar_instances", "calendar_attendees"):
        query = f"SELECT count(*) FROM {table}"  # noqa: S608 - the names above
        assert sql.execute(query.encode()).fetchone() == (0,), table
    contacts = stored_contacts(sql, account.connection_value.account_id)
    assert {contact.events for contact in contacts.values()} == {0}


def test_batches_are_bounded(database: Database, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_data, "BATCH", 2)
    monkeypatch.setattr(connection_data, "_LOOK", 5)
    mail = mail_account(database)
    fill(mail, "abcdefg")
    batches = remove(sql, mail.connection.id)
    assert max(rows for _, rows in batches) == 2
    assert sum(rows for table, rows in batches if table == "mail_messages") == 7


def test_no_table_with_a_connection_id_is_forgotten(sql: psycopg.Connection) -> None:
    found = {table.name for table in data_tables(sql)}
    declared = {name for name, table in metadata.tables.items() if "connection_id" in table.columns}
    partitioned = {name for name in declared if metadata.tables[name].dialect_kwargs.get("postgresql_partition_by")}
    assert declared - partitioned <= found


def test_no_row_that_goes_has_a_whole_table_looked_through(sql: psycopg.Connection) -> None:
    """A row's deletion looks for those that refer to it: by an index, but in tables that are all but empty."""
    query = """
        SELECT child.relname
        FROM pg_constraint AS reference
        JOIN pg_class AS child ON child.oid = reference.conrelid
        JOIN pg_class AS parent ON parent.oid = reference.confrelid
        WHERE reference.contype = 'f' AND parent.relname = ANY(%s) AND NOT EXISTS (
            SELECT FROM pg_index
            JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
            WHERE indrelid = child.oid AND indkey[0] = reference.conkey[1]
                -- One without NULLs serves as well: nothing refers to NULL.
                AND (indpred IS NULL OR pg_get_expr(indpred, indrelid) = format('(%%I IS NOT NULL)', attname))
        )
    """
    names = [table.name for table in data_tables(sql)]
    assert sql.execute(query, (names,)).fetchall() == [("displaced_messages",)]


def test_tables_that_come_later_are_emptied(database: Database, sql: psycopg.Connection) -> None:
    mail, other = mail_account(database), mail_account(database)
    sql.execute("CREATE TABLE things (id bigint PRIMARY KEY, connection_id bigint) PARTITION BY RANGE (id)")
    sql.execute("CREATE TABLE things_first PARTITION OF things FOR VALUES FROM (1) TO (100)")
    sql.execute("CREATE TABLE notes (id bigint PRIMARY KEY, connection_id bigint)")
    sql.execute("CREATE TABLE remarks (note_id bigint REFERENCES notes)")
    for identity, connection_id in ((1, mail.connection.id), (2, other.connection.id)):
        sql.execute("INSERT INTO things VALUES (%s, %s)", (identity, connection_id))
        sql.execute("INSERT INTO notes VALUES (%s, %s)", (identity, connection_id))
        sql.execute("INSERT INTO remarks VALUES (%s)", (identity,))
    try:
        remove(sql, mail.connection.id)
        for query in ("SELECT id FROM things", "SELECT id FROM notes", "SELECT note_id FROM remarks"):
            assert sql.execute(query.encode()).fetchall() == [(2,)], query
    finally:
        sql.execute("DROP TABLE things, notes, remarks")


@pytest.fixture
def services(database: Database, database_url: str) -> Iterator[Services]:
    bell = Bell(database_url)
    yield Services(database, Keyring(generate_key()), bell, servant_id=1)
    bell.close()


def test_a_running_job_ends_the_write_it_is_at_and_writes_nothing_afterwards(
    database: Database, database_url: str, sql: psycopg.Connection, services: Services
) -> None:
    mail = mail_account(database)
    add_servant(sql)
    (held,) = run_jobs(sql, lane=connection_lane(mail.connection.id))
    facts = JobFacts(held.id, ECHO, held.attempt, mail.connection.account_id, "", 0, None, None, None)
    job = Job(facts, Echo(), services)
    write = "INSERT INTO mailboxes (account_id, connection_id, name) VALUES (%s, %s, %s)"
    owner = (mail.connection.account_id, mail.connection.id)
    with ExitStack() as stack:
        operator = stack.enter_context(psycopg.connect(database_url, autocommit=True))
        with job.commit() as tx:
            tx.execute(write, (*owner, "under way"))
            stack.enter_context(in_background(lambda: remove(operator, mail.connection.id)))
            wait_until_blocked(sql, by=tx.connection)

    with pytest.raises(LeaseLost), job.commit() as tx:
        tx.execute(write, (*owner, "too late"))
    assert sql.execute("SELECT count(*) FROM mailboxes").fetchone() == (0,)
    assert history_of(sql, held.id, "state, reason") == ("cancelled", "cancel")
    assert_consistent(sql)


def test_schedules_waiting_jobs_and_holds_of_it_go_and_others_stay(database: Database, sql: psycopg.Connection) -> None:
    gone, kept = mail_account(database), mail_account(database)
    jobs = {}
    for mail in (gone, kept):
        owner = mail.connection.account_id
        add_schedule(sql, account_id=owner, lane=connection_lane(mail.connection.id))
        jobs[mail.connection.id] = [
            *add_jobs(sql, 2, account_id=owner),
            *add_jobs(sql, 1, account_id=owner, lane=connection_lane(mail.connection.id)),
        ]
        payload = json.dumps({"connection_id": mail.connection.id})
        sql.execute("UPDATE jobs SET payload = %s WHERE account_id = %s AND lane = 'account:1'", (payload, owner))
    add_servant(sql)
    (held,) = run_jobs(sql, lane="account:7")
    settle_one(sql, held, Park("refused", connection_id=gone.connection.id))
    scope = connection_scope(gone.connection.id)
    with sql.transaction():
        record_failure(sql, scope, Breaker(failures=1), attempt=Attempt(held.id, 1), reason="nobody is there")
    plan = plan_removal(sql, gone.connection.id)
    assert (plan.schedules, plan.jobs) == (1, 3)

    remove(sql, gone.connection.id)

    assert sql.execute("SELECT lane FROM schedules").fetchall() == [(connection_lane(kept.connection.id),)]
    left = {job_id for (job_id,) in sql.execute("SELECT id FROM jobs")}
    assert left == {*jobs[kept.connection.id], held.id}
    for job_id in jobs[gone.connection.id]:
        assert history_of(sql, job_id, "state") == ("cancelled",)
    for query in ("SELECT * FROM breakers", "SELECT * FROM lane_holds", "SELECT * FROM incidents"):
        assert sql.execute(query.encode()).fetchall() == [], query
    assert_consistent(sql)
