"""The bell: rung after the commit that made the work visible, never before, and heard by who listens."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from infra.postgres.bell import CHANNEL, Bell, listen
from infra.postgres.connect import sqlalchemy_url
from infra.postgres.enqueue import enqueue
from tests.support.factories import ECHO
from tests.support.postgres import OWN_CONNECTIONS, free_port
from tests.support.race import DEADLINE_SECONDS, in_background, wait_until


class Ear:
    """A connection that listens."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(f"LISTEN {CHANNEL}".encode())

    def hears_a_ring(self) -> bool:
        """Wait for one; False after the deadline."""
        return any(True for _ in self._connection.notifies(timeout=DEADLINE_SECONDS, stop_after=1))

    def has_heard_nothing(self) -> bool:
        """A ring sent before this question is answered would be here: it travels ahead of our own."""
        with psycopg.connect(self._connection.info.dsn, password=self._connection.info.password) as other:
            other.execute(f"NOTIFY {CHANNEL}, 'mine'".encode())
        heard = next(self._connection.notifies(timeout=DEADLINE_SECONDS, stop_after=1))
        return heard.payload == "mine"

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def ear(database_url: str) -> Iterator[Ear]:
    made = Ear(database_url)
    yield made
    made.close()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = create_engine(sqlalchemy_url(database_url))
    yield made
    made.dispose()


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every ring of a bell, in order, noted instead of sent."""
    rung: list[str] = []
    monkeypatch.setattr(Bell, "ring", lambda bell: rung.append(bell._url))
    return rung


def test_a_ring_is_heard(database_url: str, ear: Ear) -> None:
    bell = Bell(database_url)
    bell.ring()
    assert ear.hears_a_ring()
    bell.close()


def test_rings_that_come_close_together_become_few(database_url: str, ear: Ear) -> None:
    bell = Bell(database_url)
    for _ in range(1000):
        bell.ring()
    bell.close()
    assert ear.hears_a_ring()
    more = 0
    while not ear.has_heard_nothing():
        more += 1
    assert more < 100


def test_closing_sends_what_was_rung_last(database_url: str, ear: Ear) -> None:
    bell = Bell(database_url)
    bell.ring()
    bell.close()
    assert ear.hears_a_ring()


def test_closing_a_bell_that_never_rang_connects_to_nothing() -> None:
    bell = Bell(f"postgresql://nobody@127.0.0.1:{free_port()}/nowhere")
    bell.close()
    bell.close()


def test_a_bell_survives_a_database_that_is_away(database_url: str, ear: Ear, sql: psycopg.Connection) -> None:
    bell = Bell(database_url)
    bell.ring()
    assert ear.hears_a_ring()
    cut = f"SELECT pg_terminate_backend(pid, 5000) {OWN_CONNECTIONS}"
    assert sql.execute(cut.encode(), ["retinue-bell"]).fetchall() == [(True,)]

    def rung_again() -> bool:
        bell.ring()
        return not ear.has_heard_nothing()

    wait_until(rung_again, "the bell stays silent")
    bell.close()


def test_ringing_does_not_wait_for_an_unreachable_database() -> None:
    bell = Bell(f"postgresql://nobody@127.0.0.1:{free_port()}/nowhere")
    bell.ring()
    bell.close()


def test_listening_calls_once_after_connecting_and_at_each_ring(database_url: str) -> None:
    heard = threading.Semaphore(0)
    stopped = threading.Event()
    bell = Bell(database_url)
    with in_background(lambda: listen(database_url, heard.release, stopped, check_seconds=0.05)):
        assert heard.acquire(timeout=DEADLINE_SECONDS)
        bell.ring()
        assert heard.acquire(timeout=DEADLINE_SECONDS)
        stopped.set()
    bell.close()


def test_a_listener_whose_connection_breaks_says_so(database_url: str, sql: psycopg.Connection) -> None:
    heard = threading.Semaphore(0)

    def listen_until_cut() -> bool:
        try:
            listen(database_url, heard.release, threading.Event(), check_seconds=0.05)
        except psycopg.OperationalError:
            return True
        return False

    with in_background(listen_until_cut) as cut:
        assert heard.acquire(timeout=DEADLINE_SECONDS)
        sql.execute(f"SELECT pg_terminate_backend(pid) {OWN_CONNECTIONS}".encode(), ["retinue-listen"])
        assert cut.result(DEADLINE_SECONDS)


def test_a_session_rings_after_its_commit_and_not_before(engine: Engine, ear: Ear) -> None:
    with Session(engine) as session:
        enqueue(session, ECHO)
        session.flush()
        assert ear.has_heard_nothing()
        session.commit()
        assert ear.hears_a_ring()


def test_a_commit_rings_once_for_all_its_jobs(engine: Engine, rings: list[str]) -> None:
    with Session(engine) as session, session.begin():
        for _ in range(3):
            enqueue(session, ECHO)
        assert rings == []
    assert len(rings) == 1


def test_a_released_savepoint_rings_nothing_and_the_outer_commit_does(engine: Engine, rings: list[str]) -> None:
    with Session(engine) as session, session.begin():
        with session.begin_nested():
            enqueue(session, ECHO)
            with session.begin_nested():
                enqueue(session, ECHO)
        assert rings == []
    assert len(rings) == 1


def test_a_commit_from_inside_a_savepoint_rings_once(engine: Engine, rings: list[str]) -> None:
    with Session(engine) as session:
        enqueue(session, ECHO)
        session.begin_nested()
        enqueue(session, ECHO)
        session.commit()
    assert len(rings) == 1


def test_a_rollback_rings_nothing(engine: Engine, rings: list[str], sql: psycopg.Connection) -> None:
    with Session(engine) as session:
        enqueue(session, ECHO)
        session.rollback()
    with Session(engine) as session:
        enqueue(session, ECHO)
    assert rings == []
    assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_a_savepoint_that_rolls_back_leaves_the_outer_ring(engine: Engine, rings: list[str]) -> None:
    with Session(engine) as session, session.begin():
        enqueue(session, ECHO)
        savepoint = session.begin_nested()
        enqueue(session, ECHO)
        savepoint.rollback()
        assert rings == []
    assert len(rings) == 1


def test_a_later_commit_without_jobs_rings_nothing(engine: Engine, rings: list[str]) -> None:
    with Session(engine) as session:
        enqueue(session, ECHO)
        session.commit()
        session.connection()
        session.commit()
        assert len(rings) == 1
        enqueue(session, ECHO)
        session.commit()
    assert len(rings) == 2


def test_a_commit_after_a_rolled_back_job_rings_nothing(engine: Engine, rings: list[str]) -> None:
    with Session(engine) as session:
        enqueue(session, ECHO)
        session.rollback()
        session.connection()
        session.commit()
    assert rings == []


def test_core_and_psycopg_leave_ringing_to_the_caller(
    engine: Engine, sql: psycopg.Connection, rings: list[str]
) -> None:
    with engine.begin() as connection:
        enqueue(connection, ECHO)
    enqueue(sql, ECHO)
    assert rings == []


def test_an_engine_that_is_gone_takes_its_bell_along(database_url: str, ear: Ear, sql: psycopg.Connection) -> None:
    engine = create_engine(sqlalchemy_url(database_url))
    with Session(engine) as session:
        enqueue(session, ECHO)
        session.commit()
    assert ear.hears_a_ring()
    engine.dispose()
    del engine, session
    gc.collect()
    query = f"SELECT count(*) {OWN_CONNECTIONS}".encode()
    wait_until(lambda: sql.execute(query, ["retinue-bell"]).fetchone() == (0,), "the bell's connection stays open")


def test_a_program_that_ends_right_after_its_commit_still_rings(database_url: str, ear: Ear) -> None:
    program = (
        "import sys; from sqlalchemy import create_engine; from sqlalchemy.orm import Session\n"
        "from infra.postgres.enqueue import enqueue\n"
        "with Session(create_engine(sys.argv[1])) as session, session.begin(): enqueue(session, 'system.echo')\n"
    )
    subprocess.run([sys.executable, "-c", program, sqlalchemy_url(database_url)], check=True, timeout=60)  # noqa: S603 - our own program
    assert ear.hears_a_ring()
