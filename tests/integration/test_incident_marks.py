"""What people do with incidents: assign, note, mute one or all alike, resolve."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.postgres import incident_marks as marks
from infra.postgres.breakers import Attempt
from infra.postgres.holds import connection_lane, hold_lanes
from infra.postgres.incidents import IncidentLine, list_incidents, open_incident
from infra.postgres.statements import statement
from infra.postgres.trouble_notes import note_incident, notes_of_incident
from retinue.errors import NotFound
from retinue.holds import Hold, HoldKind
from tests.support.factories import ECHO, add_account, add_servant
from tests.support.plans import explain


def add_connection(sql: psycopg.Connection, account_id: int, name: str = "main", provider: str = "imap") -> int:
    row = sql.execute(
        "INSERT INTO connections (account_id, provider, name, config, credentials)"
        " VALUES (%s, %s, %s, '{}', '') RETURNING id",
        (account_id, provider, name),
    ).fetchone()
    assert row is not None
    return int(row[0])


def open_one(sql: psycopg.Connection, account: str = "acme", *, reason: str = "login 1 of 'x' refused") -> IncidentLine:
    connection_id = add_connection(sql, add_account(sql, account))
    open_incident(sql, connection_id, kind="credential", reason=reason, attempt=Attempt(1, 1))
    return list_incidents(sql, connection_id=connection_id)[0]


def troubles(sql: psycopg.Connection) -> int:
    found: dict[str, int] = dict(sql.execute(statement("count_troubles")).fetchall())
    return found["incident"]


def test_those_that_say_the_same_are_a_group(sql: psycopg.Connection) -> None:
    first, second = open_one(sql), open_one(sql, "globex", reason="login 2 of 'y' refused")
    other = open_one(sql, "initech", reason="the certificate expired")
    assert first.fingerprint == second.fingerprint != other.fingerprint
    groups = marks.list_incident_groups(sql)
    assert [(group.fingerprint, group.incidents, group.accounts, group.reason) for group in groups] == [
        (first.fingerprint, 2, 2, second.reason),
        (other.fingerprint, 1, 1, other.reason),
    ]
    assert (groups[0].first_opened_at, groups[0].providers) == (first.opened_at, ["imap"])
    assert [line.id for line in list_incidents(sql, fingerprint=first.fingerprint)] == [second.id, first.id]


def test_one_is_assigned_and_noted(sql: psycopg.Connection) -> None:
    found = open_one(sql)
    open_one(sql, "globex")
    marks.assign_incident(sql, found.id, "ann")
    note_incident(sql, found.id, author="ann", text="asked the customer")
    assert [line.assigned_to for line in list_incidents(sql)] == [None, "ann"]
    assert marks.list_incident_groups(sql)[0].assigned_to is None
    assert marks.assign_incidents(sql, found.fingerprint, "bob") == 2
    assert marks.list_incident_groups(sql)[0].assigned_to == "bob"
    assert [note.text for note in notes_of_incident(sql, found.id)] == ["asked the customer"]
    marks.assign_incident(sql, found.id, None)
    assert [line.assigned_to for line in list_incidents(sql)] == ["bob", None]


def test_a_muted_one_is_no_trouble_and_stays_open(sql: psycopg.Connection) -> None:
    found = open_one(sql)
    assert troubles(sql) == 1
    marks.mute_incident(sql, found.id, by="ann")
    assert (troubles(sql), [line.muted_by for line in list_incidents(sql)]) == (0, ["ann"])
    marks.mute_incident(sql, found.id, by="ann", until=datetime.now(UTC) - timedelta(seconds=1))
    assert (troubles(sql), [line.muted_by for line in list_incidents(sql)]) == (1, [None])
    marks.mute_incident(sql, found.id, by="ann", until=datetime.now(UTC) + timedelta(days=1))
    assert troubles(sql) == 0
    marks.unmute_incident(sql, found.id)
    assert troubles(sql) == 1


def test_a_muted_fingerprint_stays_quiet_for_those_to_come(sql: psycopg.Connection) -> None:
    found = open_one(sql)
    until = datetime.now(UTC) + timedelta(days=1)
    marks.mute_incidents(sql, found.fingerprint, by="ann", until=until)
    open_one(sql, "globex")
    assert troubles(sql) == 0
    assert [(line.muted_by, line.muted_until) for line in list_incidents(sql)] == [("ann", until)] * 2
    open_one(sql, "initech", reason="another")
    assert troubles(sql) == 1
    assert [group.muted_by for group in marks.list_incident_groups(sql)] == [None, "ann"]
    marks.unmute_incidents(sql, found.fingerprint)
    assert troubles(sql) == 3


def test_to_unmute_one_ends_the_mute_of_its_fingerprint(sql: psycopg.Connection) -> None:
    found = open_one(sql)
    marks.mute_incidents(sql, found.fingerprint, by="ann")
    marks.unmute_incident(sql, found.id)
    assert list_incidents(sql)[0].muted_by is None


def test_resolved_by_hand_its_lanes_go_on(sql: psycopg.Connection) -> None:
    add_servant(sql)
    found = open_one(sql)
    lane = (ECHO, connection_lane(found.connection_id))
    hold_lanes(sql, [(lane, Hold(HoldKind.INCIDENT, f"connection:{found.connection_id}", None, "refused"))])
    assert marks.resolve_incident(sql, found.id, by="ann") == [ECHO]
    assert sql.execute("SELECT count(*) FROM lane_holds").fetchone() == (0,)
    (resolved,) = list_incidents(sql, resolved=True)
    assert (resolved.resolved_by, list_incidents(sql)) == ("ann", [])
    assert marks.resolve_incident(sql, found.id, by="bob") is None
    # Met again, it is another one.
    open_incident(sql, found.connection_id, kind="credential", reason=found.reason, attempt=Attempt(2, 1))
    assert [line.id > found.id for line in list_incidents(sql)] == [True]


def test_pages_follow_one_another(sql: psycopg.Connection) -> None:
    for n in range(5):
        open_one(sql, f"account {n}")
    first = list_incidents(sql, limit=2)
    rest = list_incidents(sql, before=(first[-1].opened_at, first[-1].id))
    assert [*first, *rest] == list_incidents(sql)
    assert [line.id for line in list_incidents(sql, account_id=first[0].account_id)] == [first[0].id]


def test_one_that_is_not_there(sql: psycopg.Connection) -> None:
    with pytest.raises(NotFound):
        marks.assign_incident(sql, 99, "ann")
    with pytest.raises(NotFound):
        marks.mute_incident(sql, 99, by="ann")
    with pytest.raises(NotFound):
        marks.resolve_incident(sql, 99, by="ann")
    with pytest.raises(NotFound):
        note_incident(sql, 99, author="ann", text="x")


def test_those_that_are_over_cost_a_page_of_open_ones_nothing(sql: psycopg.Connection) -> None:
    open_one(sql)
    sql.execute(
        "INSERT INTO incidents (account_id, connection_id, kind, reason, fingerprint, opened_at, probe_at, resolved_at,"
        " resolved_by) SELECT account_id, connection_id, kind, reason, fingerprint, opened_at - n * interval '1 hour',"
        " now(), now(), 'a probe' FROM incidents, generate_series(1, 5000) AS n"
    )
    sql.execute("ANALYZE")
    names = ("id", "connection_id", "account_id", "fingerprint", "before", "before_id")
    for params in ({"resolved": False, "limit": 50}, {"resolved": True, "limit": 50}):
        reads = explain(sql, "list_incidents", dict.fromkeys(names) | params)
        assert sum(read.rows for read in reads if read.table == "incidents") <= 60
    groups = explain(sql, "list_incident_groups", {"limit": 50})
    assert sum(read.rows for read in groups if read.table == "incidents") == 1
