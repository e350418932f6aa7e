"""What there was with a person: everything, once, the newest first, and nothing of anybody else."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.postgres.account_view.activities import Activity
from infra.postgres.account_view.timeline import Entry, Mail, Meeting, view_timeline
from tests.support.account_data import AccountData, at
from tests.support.account_reader import account_reader, all_of

ANNA = "anna@firm.example"


@pytest.fixture
def own(sql: psycopg.Connection) -> AccountData:
    return AccountData(sql, "Acme")


@pytest.fixture
def reader(database_url: str, own: AccountData) -> Iterator[psycopg.Connection]:
    with account_reader(database_url, own.account_id) as reader:
        yield reader


def timeline(reader: psycopg.Connection, own: AccountData, person: int, limit: int = 50) -> list[Entry]:
    return all_of(lambda after: view_timeline(reader, own.account_id, person, after=after, limit=limit))


def told(entry: Entry) -> str:
    return (entry.summary if isinstance(entry, Meeting) else entry.subject) or ""


def fill(data: AccountData) -> int:
    """Mail, meetings and activities with Anna, and with others; Anna's ID."""
    data.person("first@firm.example")
    anna, ben = data.person(ANNA, "Anna"), data.person("ben@firm.example", "Ben")
    data.message("by Anna", 3, (anna, "from"), (anna, "reply_to"), (ben, "to"), (None, "cc"), files=2)
    data.message("to Anna", 1, (ben, "from"), (anna, "to"))
    data.message("not to Anna", 2, (ben, "from"))
    gone = data.message("deleted", 2, (anna, "from"))
    data.sql.execute("UPDATE mail_messages SET deleted_at = now() WHERE id = %s", (gone,))
    data.meeting("once", 2, (anna, "organizer", None), (anna, "required", "accepted"), (ben, "required", "declined"))
    data.meeting("weekly", -160, (ben, "organizer", None), (anna, "optional", "tentative"), weeks=3)
    off = data.meeting("called off", 4, (anna, "required", "accepted"))
    data.sql.execute("DELETE FROM calendar_instances WHERE event_id = %s", (off,))
    data.record("Contact", "C1", Name="Anna", Email="Anna@Firm.example")
    data.record("Contact", "C2", Name="Ben", Email="ben@firm.example")
    data.record("Task", "T1", WhoId="C1", ActivityDate="2026-03-01", Subject="task", Status="Open")
    data.record("Event", "E1", WhoId="C1", ActivityDateTime="2026-03-02T13:30:00.000+0000", Subject="event")
    data.record("Task", "T2", WhoId="C2", ActivityDate="2026-03-01", Subject="with Ben")
    return anna


EVERYTHING = ["weekly", "weekly", "by Anna", "once", "event", "to Anna", "task", "weekly"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 50])
def test_everything_is_there_once_newest_first(
    reader: psycopg.Connection, own: AccountData, sql: psycopg.Connection, limit: int
) -> None:
    anna, _ = fill(own), fill(AccountData(sql, "Globex"))
    assert [told(entry) for entry in timeline(reader, own, anna, limit)] == EVERYTHING


def test_nothing_is_told_of_a_person_of_another_account(
    reader: psycopg.Connection, own: AccountData, sql: psycopg.Connection
) -> None:
    fill(own)
    stranger = fill(AccountData(sql, "Globex"))
    assert timeline(reader, own, stranger) == []


def test_each_says_what_it_is(reader: psycopg.Connection, own: AccountData) -> None:
    found = {told(entry): entry for entry in timeline(reader, own, fill(own))}
    mail, received = found["by Anna"], found["to Anna"]
    assert isinstance(mail, Mail)
    assert isinstance(received, Mail)
    assert (mail.at, mail.wrote, mail.participants, mail.attachments) == (at(3), True, 3, True)
    assert (received.wrote, received.participants, received.attachments) == (False, 2, False)
    once, weekly, task = found["once"], found["weekly"], found["task"]
    assert isinstance(once, Meeting)
    assert isinstance(weekly, Meeting)
    assert isinstance(task, Activity)
    assert (once.at, once.organizes, once.attendees, once.reply) == (at(2), True, 2, "accepted")
    assert (weekly.organizes, weekly.attendees, weekly.reply) == (False, 2, "tentative")
    assert (task.kind, task.status, task.at) == ("Task", "Open", at(-36))


@pytest.mark.parametrize("limit", [1, 4])
def test_contacts_of_two_orgs_with_one_address_are_one_person(
    reader: psycopg.Connection, own: AccountData, limit: int
) -> None:
    second, anna = own.connect("salesforce", "second"), own.person(ANNA)
    for org in (own.org, second):
        own.record("Contact", "C1", org=org, Email=ANNA)
        for number in range(3):
            own.record("Task", f"T{number}", org=org, WhoId="C1", ActivityDate="2026-03-01", Subject=f"{number}")
    found = timeline(reader, own, anna, limit)
    assert sorted(told(entry) for entry in found) == ["0", "0", "1", "1", "2", "2"]
    assert len({(entry.connection_id, entry.external_id) for entry in found if isinstance(entry, Activity)}) == 6


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mail=st.lists(st.integers(-2, 2), max_size=7),
    meetings=st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 2)), max_size=5),
    tasks=st.lists(st.integers(1, 3), max_size=5),
    limit=st.integers(1, 5),
)
def test_moments_that_many_share_leave_nothing_out(
    reader: psycopg.Connection,
    own: AccountData,
    mail: list[int],
    meetings: list[tuple[int, int]],
    tasks: list[int],
    limit: int,
) -> None:
    for table in ("records", "mail_messages", "calendar_objects", "contacts"):
        own.sql.execute(f"DELETE FROM {table}".encode())  # noqa: S608 - of the tables above
    anna = own.person(ANNA)
    own.record("Contact", "C1", Email=ANNA)
    made = {("mail", own.message("m", 12 * hours, (anna, "to")), at(12 * hours)) for hours in mail}
    for hours, weeks in meetings:
        event = own.meeting("e", 12 * hours, (anna, "required", "accepted"), weeks=weeks)
        made |= {("meeting", event, at(12 * hours + 168 * week)) for week in range(weeks or 1)}
    for number, day in enumerate(tasks):
        own.record("Task", str(number), WhoId="C1", ActivityDate=f"2026-03-0{day}")
        made.add(("task", number, at(24 * day - 60)))
    found = timeline(reader, own, anna, limit)
    assert [entry.at for entry in found] == sorted((one[2] for one in made), reverse=True)
    assert len(found) == len(made)
    assert {_key(entry) for entry in found} == made


def _key(entry: Entry) -> tuple[str, int, object]:
    if isinstance(entry, Activity):
        return "task", int(entry.external_id), entry.at
    return ("mail" if isinstance(entry, Mail) else "meeting"), entry.id, entry.at
