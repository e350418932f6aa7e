"""What only the PostgreSQL transport has: connections that are cut, bells, row locks, dead rows."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import psycopg
import pytest
from structlog.testing import capture_logs

from infra.postgres.connect import Database
from infra.postgres.statements import statement
from infra.queues import postgres as transport
from infra.queues.body import pack
from infra.queues.lines import OPTIONS, Line, Lines
from infra.queues.postgres import PostgresQueues, channel_of
from infra.queues.transport import Message, QueueDepth, QueueOptions, QueueUnreachable
from scheduler.dispatch import Dispatch
from tests.support.factories import add_jobs, add_servant
from tests.support.postgres import OWN_CONNECTIONS, DatabaseServer, free_port
from tests.support.race import DEADLINE_SECONDS, in_background, together, wait_until
from tests.support.runtime import Outage

TYPE = "calendar.sync"
MESSAGE = Message(TYPE, (1,), "1/1", pack([1]), 1)
LONG = 20


@pytest.fixture
def queues(database_url: str) -> Iterator[PostgresQueues]:
    made = PostgresQueues(database_url)
    made.ensure(TYPE)
    yield made
    made.close()


@pytest.fixture
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who receives anything after waiting was rung for."""
    monkeypatch.setattr(transport, "POLL_SECONDS", 3600.0)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a receive waits to be rung for."""
    waits, wait = threading.Event(), Line.wait

    def noted(self: Line, seconds: float) -> None:
        waits.set()
        wait(self, seconds)

    monkeypatch.setattr(Line, "wait", noted)
    return waits


def take(queues: PostgresQueues, *, wait_seconds: int = 0) -> list[Message]:
    return queues.receive(TYPE, max_messages=10, wait_seconds=wait_seconds)


def listeners(sql: psycopg.Connection) -> list[int]:
    """Connections that wait with nothing to do after a take."""
    query = f"SELECT pid {OWN_CONNECTIONS} AND state = 'idle' AND starts_with(query, 'WITH queue AS')"
    return [row[0] for row in sql.execute(query.encode(), ["retinue-queues"])]


def await_listeners(sql: psycopg.Connection, count: int = 1) -> list[int]:
    wait_until(lambda: len(listeners(sql)) >= count, "no receive came to wait")
    return listeners(sql)


@pytest.mark.usefixtures("no_polls")
class TestRinging:
    def test_a_send_wakes_whoever_waits(self, queues: PostgresQueues, sql: psycopg.Connection) -> None:
        with in_background(lambda: take(queues, wait_seconds=LONG)) as received:
            await_listeners(sql)
            queues.send(TYPE, [[1]])
            assert ids(received) == [1]

    def test_a_send_of_another_type_wakes_nobody(self, queues: PostgresQueues, sql: psycopg.Connection) -> None:
        with in_background(lambda: take(queues, wait_seconds=LONG)) as received:
            await_listeners(sql)
            before = queues.calls["ReceiveMessage"]
            queues.send("system.echo", [[1]])
            queues.send(TYPE, [[2]])
            assert ids(received) == [2]
        assert queues.calls["ReceiveMessage"] == before + 1

    def test_all_types_have_channels_of_their_own(self) -> None:
        longest = "x" * 40
        assert len(channel_of(longest).encode()) < 64
        assert channel_of("a.b") != channel_of("a.c")

    def test_a_ring_that_comes_with_an_answer_is_not_lost(self, queues: PostgresQueues, database_url: str) -> None:
        lines = Lines(database_url)
        with lines.lend(channel_of(TYPE)) as line:
            line.ask("take_messages", {"type": TYPE, "most": 1})
            queues.send(TYPE, [[1]])
            # The ring is in the socket before this answer, and the statement is another's: it takes nothing.
            line.ask("read_queue_depth", {"type": TYPE})
            with in_background(lambda: line.wait(3600)) as woken:
                woken.result(DEADLINE_SECONDS)
        lines.close()


class TestLostConnections:
    def test_a_receive_whose_connection_is_cut_goes_on(
        self, queues: PostgresQueues, sql: psycopg.Connection, waits: threading.Event
    ) -> None:
        with capture_logs() as logs, in_background(lambda: take(queues, wait_seconds=LONG)) as received:
            # A server that has answered is idle even while the answer is still being read.
            assert waits.wait(DEADLINE_SECONDS)
            cut(sql, await_listeners(sql))
            wait_until(lambda: bool(logs), "nobody noticed")
            queues.send(TYPE, [[1]])
            assert ids(received) == [1]
        assert [(line["event"], line["type"]) for line in logs] == [("listen_failed", TYPE)]

    def test_a_connection_cut_while_it_was_idle_costs_nothing(
        self, queues: PostgresQueues, sql: psycopg.Connection
    ) -> None:
        for use in (lambda: queues.send(TYPE, [[1]]), lambda: queues.depth(TYPE), lambda: take(queues)):
            cut(sql, every(sql))
            use()
        assert queues.depth(TYPE) == QueueDepth(visible=0, in_flight=1, dead=0)

    def test_a_message_that_came_while_nobody_listened_is_found(
        self, queues: PostgresQueues, sql: psycopg.Connection
    ) -> None:
        with in_background(lambda: take(queues, wait_seconds=LONG)) as received:
            await_listeners(sql)
            sql.execute("INSERT INTO messages (type, body) VALUES (%s, %s)", (TYPE, pack([1])))
            assert ids(received) == [1]

    def test_while_the_database_is_away_nothing_is_asked_twice(
        self, queues: PostgresQueues, sql: psycopg.Connection, postgres: DatabaseServer
    ) -> None:
        queues.send(TYPE, [[1]])
        outage = Outage(postgres, sql)
        outage.begin()
        try:
            for use in (lambda: queues.send(TYPE, [[2]]), lambda: take(queues, wait_seconds=LONG)):
                with pytest.raises(QueueUnreachable, match=r"cannot be reached"):
                    use()
        finally:
            outage.end()
        assert [message.ids for message in take(queues)] == [(1,)]

    @pytest.mark.parametrize("action", ["delete", "release"])
    def test_what_may_be_left_undone_is_logged(self, action: str) -> None:
        nowhere = PostgresQueues(f"postgresql://me:hunter2@127.0.0.1:{free_port()}/x")
        with capture_logs() as logs:
            getattr(nowhere, action)(TYPE, [MESSAGE] * 3)
        assert [(line["event"], line["messages"]) for line in logs] == [(f"messages_not_{action}d", 3)]
        assert "hunter2" not in str(logs)

    @pytest.mark.parametrize("table", ["messages", "queues"])
    def test_what_postgresql_refuses_is_told(self, queues: PostgresQueues, sql: psycopg.Connection, table: str) -> None:
        sql.execute(f"ALTER TABLE {table} RENAME TO away".encode())
        try:
            with pytest.raises(QueueUnreachable, match="refused"):
                queues.send(TYPE, [[1]])
        finally:
            sql.execute(f"ALTER TABLE away RENAME TO {table}".encode())


class TestSharing:
    def test_what_another_is_just_taking_is_skipped(self, queues: PostgresQueues, database_url: str) -> None:
        queues.send(TYPE, [[1], [2]])
        with psycopg.connect(database_url) as other:
            taken = other.execute(statement("take_messages"), {"type": TYPE, "most": 1}).fetchall()
            assert [body for _, body, _ in taken] == [pack([1])]
            assert [message.ids for message in take(queues)] == [(2,)]
            other.commit()
        assert take(queues) == []

    def test_what_another_was_taking_when_it_died_is_there_again(
        self, queues: PostgresQueues, database_url: str
    ) -> None:
        queues.send(TYPE, [[1]])
        with psycopg.connect(database_url) as other:
            other.execute(statement("take_messages"), {"type": TYPE, "most": 1})
            other.rollback()
        assert [message.receive_count for message in take(queues)] == [1]

    def test_many_at_once_have_each_message_once(self, queues: PostgresQueues) -> None:
        queues.send(TYPE, [[n] for n in range(1, 401)])

        def take_all() -> list[int]:
            mine: list[int] = []
            while more := take(queues):
                mine += [identity for message in more for identity in message.ids]
            return mine

        # Whoever finds the rest locked by others stops early, so one more has a look at the end.
        taken = [identity for mine in [*together([take_all] * 8), take_all()] for identity in mine]
        assert sorted(taken) == list(range(1, 401))
        assert queues.depth(TYPE) == QueueDepth(visible=0, in_flight=400, dead=0)

    def test_an_old_receipt_does_not_delete_what_another_received_since(self, database_url: str) -> None:
        queues = PostgresQueues(database_url, options=QueueOptions(visibility_seconds=1))
        queues.send(TYPE, [[1]])
        (first,) = take(queues)
        (second,) = take(queues, wait_seconds=LONG)
        queues.delete(TYPE, [first])
        assert queues.depth(TYPE).in_flight + queues.depth(TYPE).visible == 1
        queues.delete(TYPE, [second])
        assert queues.depth(TYPE) == QueueDepth(visible=0, in_flight=0, dead=0)
        queues.close()


class TestSendingWithATransaction:
    def test_messages_are_there_with_the_commit_and_rung_for(
        self, queues: PostgresQueues, sql: psycopg.Connection, database: Database, no_polls: None
    ) -> None:
        with in_background(lambda: take(queues, wait_seconds=LONG)) as received:
            await_listeners(sql)
            with database.transaction(pipelined=True) as connection:
                result = queues.send_in(connection, TYPE, [[1, 2], [3]])
                assert queues.depth(TYPE).visible == 0
            assert result().sent_ids == (1, 2, 3)
            assert ids(received) == [1, 2, 3]

    def test_a_rollback_sends_nothing(self, queues: PostgresQueues, database: Database) -> None:
        with database.transaction() as connection, connection.transaction(force_rollback=True):
            queues.send_in(connection, TYPE, [[1]])
        assert queues.depth(TYPE).visible == 0

    def test_a_missing_queue_is_made(self, queues: PostgresQueues, database: Database) -> None:
        with database.transaction() as connection:
            result = queues.send_in(connection, "system.echo", [[1]])
        with capture_logs() as logs:
            assert result().sent_ids == (1,)
        assert [line["event"] for line in logs] == ["queue_recreated"]
        assert queues.depth("system.echo").visible == 1

    def test_dispatch_sends_with_its_own_commit(
        self, queues: PostgresQueues, database: Database, sql: psycopg.Connection
    ) -> None:
        add_servant(sql, "system.echo")
        queues.ensure("system.echo")
        job_ids = add_jobs(sql, 3)
        before = queues.calls.get("SendMessageBatch", 0)
        assert Dispatch(database, queues, alive_seconds=30).run_once().done == 3
        assert queues.calls["SendMessageBatch"] == before + 1
        sent = queues.receive("system.echo", max_messages=10, wait_seconds=0)
        assert sorted(identity for message in sent for identity in message.ids) == job_ids


class TestTables:
    def test_messages_cost_no_log(self, sql: psycopg.Connection) -> None:
        rows = sql.execute("SELECT relname FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r'")
        assert {row[0] for row in rows} == {"messages", "queues"}

    def test_a_take_reads_few_pages_however_many_dead_rows_await_the_vacuum(
        self, queues: PostgresQueues, sql: psycopg.Connection, database_url: str
    ) -> None:
        sql.execute("ALTER TABLE messages SET (autovacuum_enabled = false)")
        try:
            for start in range(1, 20_001, 1000):
                queues.send(TYPE, [[n] for n in range(start, start + 1000)])
                sql.execute("UPDATE messages SET receives = 1, hidden_until = now() + interval '30 s'")
                sql.execute("DELETE FROM messages")
            queues.send(TYPE, [[1]])
            # The first scan over entries that lead to dead rows marks them, and no later one visits them again. One
            # that comes while autovacuum analyzes some other table finds them not yet dead to everybody.
            wait_until(lambda: pages_of_a_take(database_url) < 200, "takes go on visiting dead rows")
        finally:
            sql.execute("ALTER TABLE messages RESET (autovacuum_enabled)")

    def test_old_messages_and_the_long_dead_are_forgotten(
        self, queues: PostgresQueues, sql: psycopg.Connection
    ) -> None:
        queues.send(TYPE, [[1], [2]])
        sql.execute("UPDATE messages SET sent_at = now() - interval '5 days' WHERE body = %s", (pack([1]),))
        sql.execute(
            "INSERT INTO dead_messages (type, body, died_at) VALUES (%s, 'x', now() - interval '15 days')", (TYPE,)
        )
        sql.execute("INSERT INTO dead_messages (type, body) VALUES (%s, 'y')", (TYPE,))
        queues.ensure(TYPE)
        assert queues.depth(TYPE) == QueueDepth(visible=1, in_flight=0, dead=1)

    def test_a_queue_with_other_attributes_is_brought_in_line(
        self, queues: PostgresQueues, sql: psycopg.Connection, database_url: str
    ) -> None:
        other = PostgresQueues(database_url, options=QueueOptions(visibility_seconds=7, max_receives=3))
        with capture_logs() as logs:
            other.ensure(TYPE)
        assert [line["event"] for line in logs] == ["queue_brought_in_line"]
        assert sql.execute("SELECT * FROM queues").fetchall() == [(TYPE, 7, 3)]
        other.close()


def test_a_servant_killed_between_receive_and_delete_leaves_the_message_to_another(database_url: str) -> None:
    queues = PostgresQueues(database_url, options=QueueOptions(visibility_seconds=1))
    queues.ensure(TYPE)
    queues.send(TYPE, [[1]])
    program = (
        "import sys; from infra.queues.postgres import PostgresQueues;"
        "messages = PostgresQueues(sys.argv[1]).receive(sys.argv[2], max_messages=1, wait_seconds=20);"
        "print(messages[0].ids, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, database_url, TYPE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as victim:  # noqa: S603 - our own program
        assert victim.stdout is not None
        assert victim.stdout.readline() == "(1,)\n"
        victim.kill()
    (message,) = take(queues, wait_seconds=LONG)
    assert (message.ids, message.receive_count) == ((1,), 2)
    queues.close()


def test_a_process_that_uses_queues_in_postgresql_stays_small() -> None:
    program = (
        "import sys; import infra.queues.postgres;"
        "heavy = {'boto3', 'botocore', 'moto', 'flask', 'sqlalchemy', 'cryptography'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - our own program


def ids(received: Future[list[Message]]) -> list[int]:
    return [identity for message in received.result(DEADLINE_SECONDS) for identity in message.ids]


def every(sql: psycopg.Connection) -> list[int]:
    rows = sql.execute(f"SELECT pid {OWN_CONNECTIONS}".encode(), ["retinue-queues"])
    return [row[0] for row in rows]


def cut(sql: psycopg.Connection, pids: list[int]) -> None:
    """End these connections, as a server does that goes away."""
    for pid in pids:
        sql.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def pages_of_a_take(url: str) -> int:
    """Pages that a take reads, and undoes; by a generic plan, as a servant's is."""
    with psycopg.connect(url, options=f"{OPTIONS} -c plan_cache_mode=force_generic_plan") as connection:
        row = connection.execute(
            b"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) " + statement("take_messages"), {"type": TYPE, "most": 10}
        ).fetchone()
        connection.rollback()
    assert row is not None
    plan = json.loads(row[0]) if isinstance(row[0], str) else row[0]
    return int(plan[0]["Plan"]["Shared Hit Blocks"]) + int(plan[0]["Plan"]["Shared Read Blocks"])
