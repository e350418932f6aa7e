"""How who asks, and what was done, are found: by index, however many people, tokens and actions there are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest

from infra.postgres.audit import Act, ActionFilter, Actor, ActorKind, list_actions, note
from infra.postgres.connect import Database
from tests.support.plans import Read, explain, explain_prepared

MANY = 20_000

_ACTIONS = """
    INSERT INTO operator_actions (actor_kind, actor_name, action, target_kind, target_id)
    SELECT 'person', 'Ada', 'job.retry', 'job', n::text FROM generate_series(1, %s) AS n
"""

#: A lookup finds its row and little beside it.
READS = 8

CASES: dict[str, dict[str, Any]] = {
    "find_session": {"digest": b"\x00" * 32},
    "find_api_token": {"digest": b"\x00" * 32},
    "find_password": {"name": "Person 77"},
    "find_person": {"id": -1, "name": "Person 77"},
    "find_live_sessions": {"digests": [b"\x00" * 32]},
    "list_sessions": {"person_id": 77, "digest": b""},
    "close_session": {"digest": b"\x00" * 32},
    "close_sessions": {"person_id": 77, "id": None, "kept_digest": None},
    "drop_expired_sessions": {},
    "count_person_tokens": {"person_id": 77},
    "lock_password": {"id": 77},
    "list_actions_on": {"target_kind": "job", "target_id": "77", "limit": 20},
}


@pytest.fixture(params=["true", "of an empty table"])
def crowd(sql: psycopg.Connection, request: pytest.FixtureRequest) -> psycopg.Connection:
    """Many of everything; the planner's statistics are true, or older than all of it."""
    if request.param == "of an empty table":
        sql.execute("ANALYZE")
    sql.execute(
        "INSERT INTO people (name, role) SELECT 'Person ' || n, 'viewer' FROM generate_series(1, %s) AS n", (MANY,)
    )
    digest = b"sha256(convert_to(n::text, 'UTF8'))"
    sql.execute(
        b"INSERT INTO sessions (digest, person_id, expires_at) SELECT " + digest + b", n, now() + interval '1 hour'"
        b" FROM generate_series(1, %s) AS n",
        (MANY,),
    )
    sql.execute(
        b"INSERT INTO api_tokens (name, digest, role, created_by) SELECT 'x', " + digest + b", 'viewer', 'x'"
        b" FROM generate_series(1, %s) AS n",
        (MANY,),
    )
    sql.execute(_ACTIONS, (MANY,))
    if request.param == "true":
        sql.execute("ANALYZE")
    return sql


@pytest.mark.parametrize("explained", [explain, explain_prepared])
def test_no_lookup_reads_the_crowd(crowd: psycopg.Connection, explained: Callable[..., list[Read]]) -> None:
    found = {name: explained(crowd, name, params) for name, params in CASES.items()}

    greedy = {name: reads for name, reads in found.items() if sum(read.rows for read in reads) > READS}
    assert greedy == {}


def test_a_page_of_actions_reads_little_more_than_it_shows(crowd: psycopg.Connection) -> None:
    nothing = dict.fromkeys(("actor", "action", "target_kind", "target_id", "account_id", "since", "until"))
    first = {"before": MANY, "window": 500, "limit": 51, **nothing}

    for explained in (explain, explain_prepared):
        reads = explained(crowd, "list_operator_actions", first)
        assert sum(read.rows for read in reads if read.table == "operator_actions") == 500
    assert len(list_actions(crowd, ActionFilter(), limit=50).actions) == 50


#: Rows of these tables and entries of their indexes that the session has read and not yet told the statistics.
_READ = """
    SELECT sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))
    FROM pg_class WHERE relname ~ '^(operator_actions|audit_)'
"""


def test_whoever_commits_an_action_reads_no_other_ones_under_the_lock_of_the_head(
    sql: psycopg.Connection, database: Database
) -> None:
    """Nor where the session planned for the few that there were once."""
    act = partial(note, actor=Actor(ActorKind.PERSON, 1, "Ada"), act=Act("job.retry", "job", 7))
    act(sql)
    sql.execute("ANALYZE operator_actions, audit_chain, audit_head")
    for _ in range(10):
        act(sql)
    with database.transaction() as other:
        other.execute(_ACTIONS, (MANY,))
    with sql.transaction():
        (before,) = sql.execute(_READ).fetchall()[0]
        act(sql)
        sql.execute("SET CONSTRAINTS ALL IMMEDIATE")
        (behind,) = sql.execute(_READ).fetchall()[0]
    assert 0 < behind - before < 20
