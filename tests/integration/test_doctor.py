from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from infra.doctor import database as database_checks
from infra.doctor.check import Check, Status
from infra.doctor.examine import examine
from infra.keys import Key
from infra.postgres.connect import Database
from infra.postgres.connections import NewConnection, add_connection
from infra.postgres.statements import statement
from infra.queues.choose import queues_from
from infra.queues.names import DEAD_SUFFIX, queue_name
from infra.secrets import Keyring
from infra.settings import Settings, load_settings
from retinue.outcomes import Park
from retinue.servant import registered_types
from scheduler.retain import Retain
from tests.support.command_line import KEY, OTHER_KEY, bare_environment
from tests.support.factories import ECHO, add_account, add_jobs, add_servant, queue_jobs, run_jobs, settle_one
from tests.support.moto_server import MotoServer, aws_credentials, moto_server
from tests.support.postgres import DatabaseServer

__all__ = ["aws_credentials", "bare_environment", "moto_server"]

pytestmark = pytest.mark.usefixtures("aws_credentials", "bare_environment")

_numbers = itertools.count()

#: Nothing listens there.
NOWHERE = "http://127.0.0.1:1"

Configure = Callable[..., Settings]


@pytest.fixture
def configure(database_url: str, moto_server: MotoServer) -> Configure:
    """Settings of an installation whose servers answer, but for those given."""
    prefix = f"doctor{next(_numbers)}"

    def load(**given: object) -> Settings:
        usual = {"database_url": database_url, "sqs_endpoint_url": moto_server.url, "secret_key": KEY}
        return load_settings(env_file=None, **usual | {"queue_prefix": prefix} | given)

    return load


def found(settings: Settings, name: str) -> list[Check]:
    return [check for check in examine(settings) if check.name == name]


def only(settings: Settings, name: str) -> Check:
    (check,) = found(settings, name)
    return check


def staff(sql: psycopg.Connection) -> None:
    """A live scheduler, and a servant for each type."""
    sql.execute(statement("register_scheduler"), {"host": "here", "pid": 1, "version": "1"})
    for job_type in registered_types():
        add_servant(sql, job_type)


def make_queues(settings: Settings) -> None:
    queues = queues_from(settings)
    for job_type in registered_types():
        queues.ensure(job_type)
    queues.close()


def test_an_installation_in_order_has_nothing_to_mend(
    configure: Configure, sql: psycopg.Connection, database: Database
) -> None:
    settings = configure()
    staff(sql)
    make_queues(settings)
    Retain(database, history_days=14).run_once()

    checks = list(examine(settings))

    assert [check for check in checks if check.status is not Status.OK or check.mend] == []
    names = [
        "settings",
        "queues",
        "database",
        "migrations",
        "clock",
        "partitions",
        "secret key",
        "schedulers",
        "servants",
    ]
    assert list(dict.fromkeys(check.name for check in checks)) == [
        *names,
        "overdue jobs",
        "paused lanes",
        "incidents",
        "breakers",
    ]


class TestQueuesInPostgresql:
    @pytest.fixture
    def settings(self, configure: Configure) -> Settings:
        """Of an installation whose messages PostgreSQL carries; no SQS server answers."""
        return configure(transport="postgres", sqs_endpoint_url=None)

    def test_in_order(self, settings: Settings) -> None:
        make_queues(settings)
        checks = found(settings, "queues")
        assert [check.status for check in checks] == [Status.OK] * len(registered_types())
        assert "in PostgreSQL: 0 messages wait" in checks[0].sentence

    def test_missing_ones_are_told_and_not_made(self, settings: Settings) -> None:
        for _ in range(2):
            checks = found(settings, "queues")
            assert [check.status for check in checks] == [Status.WARNING] * len(registered_types())

    def test_a_deep_one_and_dead_letters_are_told(self, settings: Settings, sql: psycopg.Connection) -> None:
        make_queues(settings)
        sql.execute("INSERT INTO messages (type, body) SELECT %s, '' FROM generate_series(1, 201)", (ECHO,))
        sql.execute("INSERT INTO dead_messages (type, body) VALUES (%s, 'odd')", (ECHO,))
        deep = [check for check in found(settings, "queues") if check.status is Status.WARNING]
        assert "201 messages wait" in deep[0].sentence
        assert "1 message of system.echo" in only(settings, "dead letters").sentence


def test_an_unreachable_database_leaves_the_other_checks(configure: Configure) -> None:
    checks = list(examine(configure(database_url="postgresql://me:hunter2@127.0.0.1:1/x")))

    last = checks[-1]
    assert (last.name, last.status) == ("database", Status.FAILED)
    assert "127.0.0.1:1" in last.sentence
    assert "hunter2" not in str(checks)
    assert "queues" in [check.name for check in checks]


def test_an_unreachable_queue_server(configure: Configure) -> None:
    check = only(configure(sqs_endpoint_url=NOWHERE), "queues")

    assert check.status is Status.FAILED
    assert NOWHERE in check.sentence


def test_missing_queues_are_told_and_not_made(configure: Configure) -> None:
    settings = configure()

    for _ in range(2):
        checks = found(settings, "queues")
        assert [check.status for check in checks] == [Status.WARNING] * len(registered_types())
        assert "does not exist" in checks[0].sentence


def test_dead_letters_are_counted(configure: Configure, moto_server: MotoServer) -> None:
    settings = configure()
    make_queues(settings)
    dead = queue_name(settings.queue_prefix, settings.environment, ECHO) + DEAD_SUFFIX
    url = moto_server.ask("GetQueueUrl", QueueName=dead)["QueueUrl"]
    moto_server.ask("SendMessage", QueueUrl=url, MessageBody="nonsense")

    check = only(settings, "dead letters")
    assert (check.status, f"{dead} holds 1 message that" in check.sentence) == (Status.WARNING, True)


def test_a_missing_migration(configure: Configure, postgres: DatabaseServer) -> None:
    with postgres.fresh_database() as empty:
        checks = list(examine(configure(database_url=empty)))

    assert (checks[-1].name, checks[-1].status) == ("migrations", Status.FAILED)
    assert "retinue migrate" in checks[-1].mend


@pytest.mark.parametrize(("apart", "status"), [(1, Status.OK), (10, Status.WARNING), (3600, Status.FAILED)])
@pytest.mark.parametrize("direction", [1, -1])
def test_clocks_that_are_apart(
    configure: Configure,
    sql: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    apart: int,
    direction: int,
    status: Status,
) -> None:
    class ShiftedClock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override] # always in UTC here
            return datetime.now(UTC) + timedelta(seconds=direction * apart)

    monkeypatch.setattr(database_checks, "datetime", ShiftedClock)

    (check,) = database_checks.clock_skew(sql, configure())
    assert check.status is status


def test_missing_partitions(configure: Configure) -> None:
    check = only(configure(), "partitions")

    assert check.status is Status.WARNING
    assert f"job_history_{datetime.now(UTC):%Y%m%d}" in check.sentence


def test_rows_in_the_default_partition(configure: Configure, sql: psycopg.Connection) -> None:
    (held,) = run_jobs(sql)
    settle_one(sql, held)

    assert "job_history: rows lie in the default partition." in [c.sentence for c in found(configure(), "partitions")]


def add_sealed(sql: psycopg.Connection, key: str, count: int = 1) -> None:
    account = add_account(sql)
    for number in range(count):
        new = NewConnection(
            account_id=account, provider="caldav", name=str(number), config={}, credentials={"password": "x"}
        )
        add_connection(sql, Keyring(Key.parse(key)), new)


def test_the_key_opens_everything(configure: Configure, sql: psycopg.Connection) -> None:
    add_sealed(sql, KEY, 501)

    check = only(configure(), "secret key")
    assert (check.status, check.sentence) == (Status.OK, "It opens the credentials of 501 connections.")


def test_a_key_that_opens_nothing(configure: Configure, sql: psycopg.Connection) -> None:
    add_sealed(sql, OTHER_KEY, 2)

    check = only(configure(), "secret key")
    assert check.status is Status.FAILED
    assert check.sentence.startswith("2 of 2 connections cannot be opened: ")


def test_a_retired_key_is_told(configure: Configure, sql: psycopg.Connection) -> None:
    old = KEY.replace("k1", "k0")
    add_sealed(sql, old)

    statuses = [check.status for check in found(configure(secret_keys_retired=old), "secret key")]
    assert statuses == [Status.OK, Status.WARNING]


def test_credentials_of_the_former_form_are_told(configure: Configure, sql: psycopg.Connection) -> None:
    add_sealed(sql, KEY)
    sealed = Keyring(Key.parse(KEY)).seal(b"{}", context="connection:1")
    assert sql.execute("UPDATE connections SET credentials = %s WHERE id = 1", (sealed,)).rowcount == 1

    good, former = found(configure(), "secret key")
    assert (good.status, former.status) == (Status.OK, Status.WARNING)
    assert former.sentence.startswith("1 connection sealed in the former way")


def test_no_key_at_all(configure: Configure) -> None:
    assert only(configure(secret_key=None), "secret key").status is Status.FAILED


def test_no_scheduler(configure: Configure) -> None:
    assert only(configure(), "schedulers").status is Status.FAILED


def test_a_scheduler_whose_pass_fails(configure: Configure, sql: psycopg.Connection) -> None:
    staff(sql)
    sql.execute("""UPDATE schedulers SET passes = '{"plan": {"consecutive_errors": 3, "last_error": "it broke"}}'""")

    alive, failing = found(configure(), "schedulers")
    assert (alive.status, failing.status) == (Status.OK, Status.FAILED)
    assert "The pass plan of scheduler 1 fails: it broke" in failing.sentence


def test_types_without_a_servant(configure: Configure, sql: psycopg.Connection) -> None:
    add_servant(sql, ECHO)

    statuses = {check.sentence.partition(":")[0]: check.status for check in found(configure(), "servants")}
    without = dict.fromkeys(registered_types(), Status.WARNING)
    assert statuses == without | {"system.echo": Status.OK}


def test_a_type_that_shall_have_no_servant_is_not_missed(configure: Configure) -> None:
    settings = configure(servants="calendar.sync=1,system.echo=0")

    assert [check.sentence.partition(":")[0] for check in found(settings, "servants")] == ["calendar.sync"]


def test_jobs_that_nobody_takes(configure: Configure, sql: psycopg.Connection) -> None:
    add_servant(sql)
    sql.execute(
        "INSERT INTO lanes (type, lane, due_at) SELECT %s, 'account:' || n, now() - interval '1 hour'"
        " FROM generate_series(1, 2) AS n",
        (ECHO,),
    )

    check = only(configure(), "overdue jobs")
    assert check.status is Status.WARNING
    assert check.sentence.startswith("system.echo: jobs in 2 lanes are due since ")
    assert check.sentence.endswith(", 1 h ago.")


def test_jobs_that_nobody_rescues(configure: Configure, sql: psycopg.Connection) -> None:
    run_jobs(sql, 2)
    sql.execute("UPDATE jobs SET lease_until = now() - interval '10 minutes'")
    queue_jobs(sql, add_jobs(sql, 1))
    sql.execute("UPDATE jobs SET queued_at = now() - interval '10 minutes' WHERE state = 'queued'")

    check = only(configure(), "overdue jobs")
    assert check.status is Status.FAILED
    assert check.sentence.startswith("2 leases and 1 message were lost")


def test_parked_lanes(configure: Configure, sql: psycopg.Connection) -> None:
    for number in range(5):
        (held,) = run_jobs(sql, lane=f"connection_id:{number}")
        settle_one(sql, held, Park("refused"))

    checks = found(configure(), "paused lanes")
    assert [check.status for check in checks] == [Status.WARNING] * 4
    assert checks[0].mend == "`retinue connections test 4`"
    assert checks[3].sentence == "2 more are paused."


def test_a_check_that_cannot_be_made_does_not_keep_the_others_from_it(
    configure: Configure, sql: psycopg.Connection
) -> None:
    sql.execute("ALTER TABLE connections RENAME COLUMN credentials TO hidden")
    try:
        checks = list(examine(configure()))
    finally:
        sql.execute("ALTER TABLE connections RENAME COLUMN hidden TO credentials")

    assert next(c for c in checks if c.name == "stored credentials").status is Status.FAILED
    assert checks[-1].name == "breakers"


def test_settings_that_do_not_fit_together(configure: Configure) -> None:
    check = only(configure(lease_seconds=5, heartbeat_seconds=5), "settings")

    assert check.status is Status.FAILED
    assert check.sentence.startswith("RETINUE_HEARTBEAT_SECONDS: ")
