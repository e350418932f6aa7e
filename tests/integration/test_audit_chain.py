"""Whatever is done to what was written down, the chain breaks there; and nothing that is right breaks it."""

# ruff: noqa: S608 - the statements are put together from what stands in this file

from __future__ import annotations

import json
from hashlib import sha256

import psycopg
import pytest
from psycopg.errors import ActiveSqlTransaction

from infra.postgres import audit_chain
from infra.postgres.audit import Act, Actor, ActorKind, note
from infra.postgres.audit_breaks import Break, BreakKind
from infra.postgres.audit_chain import export, verify
from infra.postgres.audit_links import COLUMNS, Head, stored_head
from infra.postgres.connect import Database
from infra.postgres.schema_audit import operator_actions
from tests.support.audit_tampering import ACTIONS, exchange, make_room, relink, tamper, write_down

BOB = Actor(ActorKind.PERSON, 2, "Bob")
RETRY = Act("job.retry", "job", 7)

#: Another value for each column, whatever it is now.
OTHER = {
    "id": "id + 1000",
    "at": "at + interval '1 microsecond'",
    "actor_kind": "CASE actor_kind WHEN 'person' THEN 'token' ELSE 'person' END",
    "actor_id": "coalesce(-actor_id, 0)",
    "actor_name": "actor_name || ' '",
    "action": "upper(action)",
    "target_kind": "target_kind || '-'",
    "target_id": "CASE target_id WHEN '' THEN NULL ELSE '' END",
    "account_id": "CASE account_id WHEN 3 THEN NULL ELSE 3 END",
    "detail": """detail || '{"": 0}'""",
    "address": "CASE WHEN address IS NULL THEN '' END",
    "request_id": "coalesce(request_id || '-', '-')",
}

INSERT = "INSERT INTO operator_actions (id, actor_kind, actor_name, action, target_kind)"
FORGED = f"{INSERT} VALUES (99, 'person', 'Eve', 'job.retry', 'job')"


@pytest.fixture
def written(sql: psycopg.Connection) -> Head:
    """Ten actions; the head that somebody noted elsewhere."""
    write_down(sql)
    head = verify(sql).head
    assert head is not None
    return head


def broken(sql: psycopg.Connection, noted: Head | None = None) -> Break:
    found = verify(sql, noted=noted)
    assert found.broken is not None
    assert found.verified == (found.head.position if found.head else 0)
    return found.broken


def test_what_nobody_touched_holds_and_contains_each_earlier_head(sql: psycopg.Connection, written: Head) -> None:
    assert (verify(sql).verified, verify(sql).broken) == (ACTIONS, None)
    note(sql, BOB, RETRY)
    found = verify(sql, noted=written)
    assert (found.verified, found.broken) == (ACTIONS + 1, None)


def test_where_nothing_was_done_nothing_is_broken(sql: psycopg.Connection) -> None:
    assert (verify(sql).verified, verify(sql).head, verify(sql).broken) == (0, None, None)


def test_every_column_is_hashed() -> None:
    assert tuple(operator_actions.columns.keys()) == COLUMNS
    assert tuple(OTHER) == COLUMNS


@pytest.mark.parametrize("row", [1, 3, 5, ACTIONS])
@pytest.mark.parametrize("column", OTHER)
def test_a_changed_column_is_found(sql: psycopg.Connection, written: Head, column: str, row: int) -> None:
    tamper(sql, f"UPDATE operator_actions SET {column} = {OTHER[column]} WHERE id = {row}")

    found = broken(sql)
    kind = BreakKind.MISSING if column == "id" else BreakKind.ALTERED
    assert (found.kind, found.position, found.action_id) == (kind, row, row)
    assert f"The action {row} at position {row}" in found.sentence


@pytest.mark.parametrize("position", [1, 5, ACTIONS])
def test_a_changed_link_is_found(sql: psycopg.Connection, written: Head, position: int) -> None:
    tamper(sql, f"UPDATE audit_chain SET chain = sha256('') WHERE position = {position}")
    assert (broken(sql).kind, broken(sql).position) == (BreakKind.ALTERED, position)


@pytest.mark.parametrize("row", [1, 5, ACTIONS])
def test_an_action_that_was_taken_out_is_missed(sql: psycopg.Connection, written: Head, row: int) -> None:
    tamper(sql, f"DELETE FROM operator_actions WHERE id = {row}")
    assert (broken(sql).kind, broken(sql).position) == (BreakKind.MISSING, row)
    assert broken(sql).sentence == f"The action {row} at position {row} is gone: it was taken out."


@pytest.mark.parametrize(
    ("gone", "sentence"),
    [
        ("= 1", "Position 1 is missing."),
        ("= 5", "Position 5 is missing."),
        ("BETWEEN 4 AND 6", "Positions 4 to 6 are missing."),
    ],
)
def test_an_action_taken_out_with_its_link_is_missed(
    sql: psycopg.Connection, written: Head, gone: str, sentence: str
) -> None:
    tamper(sql, f"DELETE FROM operator_actions WHERE id {gone}", f"DELETE FROM audit_chain WHERE position {gone}")
    assert broken(sql).sentence == sentence


@pytest.mark.parametrize("row", [1, 5, 9])
def test_closing_the_gap_hides_nothing(sql: psycopg.Connection, written: Head, row: int) -> None:
    taken = f"DELETE FROM operator_actions WHERE id = {row}"
    tamper(sql, taken, f"DELETE FROM audit_chain WHERE position = {row}", *make_room(row, -1))
    assert (broken(sql).kind, broken(sql).position) == (BreakKind.ALTERED, row)
    assert "or one before it was taken out" in broken(sql).sentence


@pytest.mark.parametrize("position", [1, 5, ACTIONS])
@pytest.mark.parametrize("chain", ["sha256('')", "RIGHT"])
def test_an_action_put_in_between_is_found(sql: psycopg.Connection, written: Head, position: int, chain: str) -> None:
    """Also where it was chained to the one before as it should be."""
    before = (
        f"coalesce((SELECT chain FROM audit_chain WHERE position = {position - 1}), decode(repeat('00', 32), 'hex'))"
    )
    right = f"(SELECT sha256({before} || audit_bytes(a)) FROM operator_actions AS a WHERE id = 99)"
    link = f"INSERT INTO audit_chain VALUES ({position}, 99, {right if chain == 'RIGHT' else chain})"
    tamper(sql, FORGED, *make_room(position), link)

    assert (broken(sql).kind, broken(sql).position) == (BreakKind.INSERTED, position)
    assert broken(sql).sentence == f"The action at position {position} was put in afterwards."


def test_several_put_in_between_are_found_together(sql: psycopg.Connection, written: Head) -> None:
    second = FORGED.replace("99", "98")
    links = [f"INSERT INTO audit_chain VALUES ({n}, {94 + n}, sha256(''))" for n in (4, 5)]
    tamper(sql, FORGED, second, *make_room(4, 2), *links)
    assert broken(sql).sentence == "The actions at 4 to 5 were put in afterwards."


def test_an_action_past_the_chain_is_found(sql: psycopg.Connection, written: Head) -> None:
    tamper(sql, FORGED)
    assert (broken(sql).kind, broken(sql).action_id) == (BreakKind.UNLINKED, 99)
    note(sql, BOB, RETRY)
    assert broken(sql).action_id == 99


@pytest.mark.parametrize(("first", "second"), [(1, 2), (4, 7), (9, 10), (1, 10)])
@pytest.mark.parametrize("column", ["position", "action_id"])
def test_two_exchanged_are_found(sql: psycopg.Connection, written: Head, first: int, second: int, column: str) -> None:
    tamper(sql, *exchange("audit_chain", column, first, second))
    assert (broken(sql).kind, broken(sql).position) == (BreakKind.REORDERED, first)


def test_exchanged_numbers_of_two_actions_are_found(sql: psycopg.Connection, written: Head) -> None:
    tamper(sql, *exchange("operator_actions", "id", 4, 7))
    assert (broken(sql).kind, broken(sql).position) == (BreakKind.ALTERED, 4)


def test_a_tail_that_was_cut_off_is_missed_by_the_head(sql: psycopg.Connection, written: Head) -> None:
    cut = ("DELETE FROM operator_actions WHERE id > 8", "DELETE FROM audit_chain WHERE position > 8")
    tamper(sql, *cut)
    assert broken(sql).kind == BreakKind.HEAD
    assert broken(sql).sentence == "The chain ends at position 8, its head is at 10: positions 9 to 10 are cut off."


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("DELETE FROM audit_head", "The chain's head is gone; its last link is at position 10."),
        ("UPDATE audit_head SET position = 9", "The chain's head is at position 9: position 10 is behind it."),
        ("UPDATE audit_head SET chain = sha256('')", "The chain's head at position 10 is not what the last link says."),
    ],
)
def test_another_head_is_found(sql: psycopg.Connection, written: Head, change: str, sentence: str) -> None:
    tamper(sql, change)
    assert broken(sql).sentence == sentence


def test_all_of_it_taken_out_is_missed_by_the_head(sql: psycopg.Connection, written: Head) -> None:
    tamper(sql, "DELETE FROM operator_actions", "DELETE FROM audit_chain")
    assert broken(sql).kind == BreakKind.HEAD


@pytest.mark.parametrize("left", [0, 8])
def test_a_tail_cut_off_with_its_head_is_missed_by_what_was_noted(
    sql: psycopg.Connection, written: Head, left: int
) -> None:
    tamper(sql, f"DELETE FROM operator_actions WHERE id > {left}")
    relink(sql, left + 1)

    assert verify(sql).broken is None
    assert (broken(sql, written).kind, broken(sql, written).position) == (BreakKind.CUT, left)


@pytest.mark.parametrize("since", [1, 5, ACTIONS])
def test_a_tail_that_was_made_anew_is_found_by_what_was_noted(
    sql: psycopg.Connection, written: Head, since: int
) -> None:
    tamper(sql, f"UPDATE operator_actions SET actor_name = 'Eve' WHERE id = {since}")
    relink(sql, since)
    note(sql, BOB, RETRY)

    assert verify(sql).broken is None
    assert (broken(sql, written).kind, broken(sql, written).position) == (BreakKind.REBUILT, ACTIONS)


def test_whoever_acts_while_it_is_verified_breaks_nothing(
    database_url: str, sql: psycopg.Connection, written: Head, monkeypatch: pytest.MonkeyPatch
) -> None:

    def acted_on(connection: psycopg.Connection) -> Head | None:
        note(sql, BOB, RETRY)
        return stored_head(connection)

    monkeypatch.setattr(audit_chain, "stored_head", acted_on)
    with psycopg.connect(database_url) as connection:
        found = verify(connection)
    assert (found.verified, found.broken) == (ACTIONS, None)


def test_a_transaction_under_way_is_no_one_moment(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("SELECT 1")
        with pytest.raises(ActiveSqlTransaction):
            verify(connection)


def test_the_export_holds_all_that_is_hashed(sql: psycopg.Connection, written: Head) -> None:
    """Anybody can verify it without Retinue."""
    sql.execute(
        f"{INSERT[:-1]}, detail) VALUES (42, 'person', 'é', 'a', 'b', '{{\"n\": 1.00, \"é\": \"\\u20ac\"}}')".encode()
    )
    lines = list(export(sql))
    chain = bytes(32)
    for position, line in enumerate(lines, 1):
        read = json.loads(line)
        detail = line.partition(', "detail": ')[2][:-1]
        values = [detail if name == "detail" else read[name] for name in COLUMNS]
        pieces = ["-" if value is None else f"{len(str(value).encode())}:{value}" for value in values]
        chain = sha256(chain + ",".join(pieces).encode()).digest()
        assert (read["position"], read["chain"]) == (position, chain.hex())
    assert verify(sql).head == Head(len(lines), chain)
    read = json.loads(lines[-1])
    assert (read["action_id"], read["detail"], "1.00" in lines[-1]) == (42, {"n": 1.0, "é": "€"}, True)


def test_the_export_leaves_nothing_out_that_is_broken(sql: psycopg.Connection, written: Head) -> None:
    tamper(sql, "DELETE FROM operator_actions WHERE id = 2", FORGED)
    lines = [json.loads(line) for line in export(sql)]
    assert [(line["position"], line["action_id"], line["id"]) for line in lines[1:2] + lines[-1:]] == [
        (2, 2, None),
        (None, 99, 99),
    ]
    assert len(lines) == ACTIONS + 1
