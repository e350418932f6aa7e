"""How accounts and connections stand, and what operators do with a connection."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres import connection_actions as actions
from infra.postgres.account_states import account_state, list_account_states, sources_of
from infra.postgres.breakers import Attempt
from infra.postgres.budget_settings import InvalidBudget, clear_budget, forecasts_of, set_budget
from infra.postgres.budgets import show_budgets
from infra.postgres.holds import connection_lane
from infra.postgres.imports import Kind, begin_import
from infra.postgres.incidents import list_incidents, open_incident
from retinue.budget import BUCKETS
from retinue.errors import NotAllowed, NotFound
from tests.support.factories import add_account, add_schedule, add_servant
from tests.support.plans import explain

SYNC = {"imap": "email.sync", "caldav": "calendar.sync", "salesforce": "salesforce.sync"}


def add_connection(sql: psycopg.Connection, account_id: int, provider: str = "imap", name: str = "main") -> int:
    row = sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " VALUES (%s, %s, %s, '{}', '') RETURNING id",
        (account_id, provider, name),
    ).fetchone()
    assert row is not None
    add_schedule(
        sql,
        f"connection {row[0]}",
        type=SYNC[provider],
        account_id=account_id,
        lane=connection_lane(row[0]),
        payload={"connection_id": row[0]},
    )
    return int(row[0])


def add_sources(sql: psycopg.Connection, account_id: int) -> tuple[int, int, int]:
    """A mailbox of 7, a calendar of 2, an object of 5 that was never read; one connection for each."""
    mail, calendar, org = (add_connection(sql, account_id, provider) for provider in SYNC)
    own = {"account": account_id, "mail": mail, "calendar": calendar, "org": org}
    sql.execute(
        "INSERT INTO mailboxes (account_id, connection_id, name, messages, synced_at)"
        " VALUES (%(account)s, %(mail)s, 'INBOX', 7, '2026-01-01Z')",
        own,
    )
    sql.execute(
        "INSERT INTO calendars (account_id, connection_id, url, name, synced_at)"
        " VALUES (%(account)s, %(calendar)s, '/a/', 'Work', '2026-01-02Z')",
        own,
    )
    sql.execute(
        "INSERT INTO calendar_objects (account_id, calendar_id, href, content_hash, raw)"
        " SELECT %(account)s, id, n::text, '', '' FROM calendars, generate_series(1, 2) AS n",
        own,
    )
    sql.execute(
        "INSERT INTO salesforce_objects (connection_id, name, account_id, selected) VALUES"
        " (%(org)s, 'Account', %(account)s, true), (%(org)s, 'Case', %(account)s, false)",
        own,
    )
    sql.execute("INSERT INTO record_counts VALUES (%(org)s, 'Account', %(account)s, 5)", own)
    return mail, calendar, org


@pytest.fixture
def acme(sql: psycopg.Connection) -> int:
    return add_account(sql)


@pytest.fixture
def mail(sql: psycopg.Connection, acme: int) -> int:
    add_servant(sql, "email.sync")
    return add_connection(sql, acme)


def test_an_account_tells_what_it_holds_and_what_is_late(sql: psycopg.Connection, acme: int) -> None:
    mail, calendar, org = add_sources(sql, acme)
    begin_import(sql, connection_id=mail, account_id=acme, kind=Kind.EMAIL, total=10)
    found = account_state(sql, acme)
    assert (found.connections, found.sources, found.unread, found.held, found.importing) == (3, 3, 1, 14, 1)
    assert (found.stalest_at, found.budget_share) == (datetime(2026, 1, 1, tzinfo=UTC), None)
    assert found.providers == ["caldav", "imap", "salesforce"]
    assert not found.is_troubled
    told = [(one.kind, one.held, one.state) for at in (mail, calendar, org) for one in sources_of(sql, at)]
    assert told == [("folder", 7, "live"), ("calendar", 2, "live"), ("object", 5, "pending")]


def test_troubles_are_found(sql: psycopg.Connection, acme: int) -> None:
    globex = add_account(sql, "Globex")
    add_account(sql, "initech")
    connection_id = add_connection(sql, acme)
    open_incident(sql, connection_id, kind="credential", reason="no", attempt=Attempt(1, 1))
    sql.execute(
        "INSERT INTO breakers (scope, state, reason, probe_at) VALUES (%s, 'open', 'no', now())",
        (f"connection:{add_connection(sql, globex)}",),
    )
    found = list_account_states(sql, troubled=True)
    assert sorted((one.name, one.broken, one.open_breakers) for one in found) == [("Globex", 0, 1), ("acme", 1, 0)]
    assert all(one.is_troubled for one in found)
    assert [one.name for one in list_account_states(sql, named="OBE")] == ["Globex"]


def test_accounts_come_by_name_page_by_page(sql: psycopg.Connection) -> None:
    for name in ("b", "a", "d", "c", "e"):
        add_account(sql, name)
    first = list_account_states(sql, limit=2)
    second = list_account_states(sql, after=first[-1].name, limit=2)
    rest = list_account_states(sql, after=second[-1].name)
    assert [one.name for one in [*first, *second, *rest]] == ["a", "b", "c", "d", "e"]


def test_the_budget_nearest_its_limit_shows(sql: psycopg.Connection, acme: int, mail: int) -> None:
    set_budget(sql, mail, per_day=4800, per_hour=1000)
    part = timedelta(days=1) / BUCKETS
    sql.execute(
        "INSERT INTO budget_usage SELECT %s, 86400, now() - n * %s::interval, 600 FROM generate_series(1, 2) AS n",
        (mail, part),
    )
    assert account_state(sql, acme).budget_share == pytest.approx(0.25)
    day, hour = forecasts_of(sql, mail)
    assert (day.used, hour.used) == (1200, 0)
    assert day.calls_per_hour == pytest.approx(1200, rel=0.01)
    assert day.ends_at == pytest.approx(day.now + timedelta(hours=3), abs=timedelta(minutes=1))


def test_a_budget_is_set_and_cleared(sql: psycopg.Connection, mail: int) -> None:
    with pytest.raises(InvalidBudget):
        set_budget(sql, mail, reserve=0.5)
    with pytest.raises(InvalidBudget):
        set_budget(sql, mail, per_day=0)
    set_budget(sql, mail, per_day=100)
    set_budget(sql, mail, reserve=0.5)
    assert [(line.call_limit, line.reserve, line.source) for line in show_budgets(sql, mail)] == [(100, 0.5, "set")]
    clear_budget(sql, mail)
    assert show_budgets(sql, mail) == []


def test_a_test_probes_and_syncs(sql: psycopg.Connection, mail: int) -> None:
    open_incident(sql, mail, kind="credential", reason="no", attempt=Attempt(1, 1))
    tried = actions.try_now(sql, mail)
    assert [line.id for line in list_incidents(sql)] == tried.incidents
    row = sql.execute("SELECT type, payload FROM jobs WHERE id = ANY(%s)", (tried.jobs,)).fetchall()
    assert row == [("email.sync", {"connection_id": mail})]
    # While that has not ended, no second one is made.
    assert actions.try_now(sql, mail).jobs == tried.jobs


def test_what_has_no_schedule_cannot_be_synced(sql: psycopg.Connection, mail: int) -> None:
    sql.execute("DELETE FROM schedules")
    with pytest.raises(NotAllowed, match="no schedule"):
        actions.sync_now(sql, mail)


def test_a_connection_is_paused_and_goes_on(sql: psycopg.Connection, mail: int) -> None:
    with pytest.raises(NotAllowed, match="no lane"):
        actions.pause_connection(sql, mail, reason="moving")
    sql.execute("INSERT INTO lanes (type, lane) VALUES ('email.sync', %s)", (connection_lane(mail),))
    assert actions.pause_connection(sql, mail, reason="moving") == ["email.sync"]
    assert sql.execute("SELECT kind, reason FROM lane_holds").fetchall() == [("pause", "moving")]
    assert actions.resume_connection(sql, mail) == ["email.sync"]
    assert actions.resume_connection(sql, mail) == []


def test_mail_and_calendars_are_read_anew(sql: psycopg.Connection, acme: int) -> None:
    mail, calendar, _ = add_sources(sql, acme)
    sql.execute("UPDATE mailboxes SET uid_validity = 9")
    sql.execute("UPDATE calendar_objects SET etag = 'e'")
    jobs = [*actions.resync(sql, mail), *actions.resync(sql, calendar)]
    types = sql.execute("SELECT type FROM jobs WHERE id = ANY(%s) ORDER BY id", (jobs,)).fetchall()
    assert types == [("email.sync",), ("calendar.sync",)]
    assert sql.execute("SELECT uid_validity FROM mailboxes").fetchone() == (0,)
    assert sql.execute("SELECT count(etag) FROM calendar_objects").fetchone() == (0,)


def test_an_object_of_an_org_is_read_anew(sql: psycopg.Connection, acme: int) -> None:
    _, _, org = add_sources(sql, acme)
    (job,) = actions.resync(sql, org, ["Account"])
    found = sql.execute("SELECT type, payload, priority FROM jobs WHERE id = %s", (job,)).fetchone()
    assert found is not None
    assert (found[0], found[1]["resync"], found[2]) == ("salesforce.sync", ["Account"], 3)
    with pytest.raises(NotAllowed, match="Case is not synced"):
        actions.resync(sql, org, ["Case", "Account"])
    with pytest.raises(NotAllowed, match="name the objects"):
        actions.resync(sql, org)


@pytest.mark.parametrize(
    "act", [actions.try_now, actions.sync_now, lambda sql, one: actions.pause_connection(sql, one, reason="x")]
)
def test_a_connection_that_is_not_there(
    sql: psycopg.Connection, act: Callable[[psycopg.Connection, int], object]
) -> None:
    with pytest.raises(NotFound):
        act(sql, 99)
    with pytest.raises(NotFound):
        account_state(sql, 99)


def test_a_page_of_thousands_of_accounts_reads_its_own_rows(sql: psycopg.Connection) -> None:
    sql.execute("INSERT INTO accounts (name) SELECT 'account ' || n FROM generate_series(1, 5000) AS n")
    sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " SELECT id, 'imap', 'main', '{}', '' FROM accounts"
    )
    sql.execute(
        "INSERT INTO mailboxes (account_id, connection_id, name, messages)"
        " SELECT account_id, id, 'INBOX', 1 FROM connections"
    )
    sql.execute("ANALYZE")
    params = dict.fromkeys(("id", "after", "named")) | {"troubled": False, "limit": 50, "buckets": BUCKETS}
    reads = explain(sql, "list_account_states", params)
    assert sum(read.rows for read in reads) < 1000
    reads = explain(sql, "list_connection_sources", {"connection_id": 17, "limit": 50})
    assert sum(read.rows for read in reads) < 10
