from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from cli.demo import seed_accounts
from cli.stack import _missing_servants
from infra.keys import generate_key
from infra.local.demo_accounts import DEMO_ACCOUNTS
from infra.local.environment import Addresses
from infra.local.sign_ins import prepare_users
from infra.postgres.connections import list_connections, open_connection
from infra.postgres.schedules import list_schedules
from infra.secrets import Keyring
from tests.support.command_line import bare_environment
from tests.support.factories import add_servant

__all__ = ["bare_environment"]

pytestmark = pytest.mark.usefixtures("bare_environment")

KEY = generate_key()


@pytest.fixture
def passwords(tmp_path: Path) -> dict[str, str]:
    return prepare_users(tmp_path, [account.user for account in DEMO_ACCOUNTS])


def addresses(database_url: str, data: Path, caldav_url: str = "http://127.0.0.1:8630") -> Addresses:
    return Addresses(
        database_url=database_url,
        sqs_endpoint_url="http://127.0.0.1:8620",
        caldav_url=caldav_url,
        caldav_data=data,
        manager_url="http://127.0.0.1:8600",
        manager_user="operator",
        manager_password="secret",
        environment={
            "RETINUE_DATABASE_URL": database_url,
            "RETINUE_SECRET_KEY": KEY.render(),
            "AWS_ACCESS_KEY_ID": "x",
        },
    )


def test_every_demo_account_gets_a_connection_that_is_synced_often(
    sql: psycopg.Connection, database_url: str, tmp_path: Path, passwords: dict[str, str]
) -> None:
    seed_accounts(addresses(database_url, tmp_path))

    lines = list_connections(sql)
    assert [line.account_name for line in lines] == [account.name for account in DEMO_ACCOUNTS]
    for line, account in zip(lines, DEMO_ACCOUNTS, strict=True):
        opened = open_connection(sql, Keyring(KEY), line.id)
        assert opened.config == {"url": "http://127.0.0.1:8630", "username": account.user}
        assert opened.credentials == {"password": passwords[account.user]}
    assert [schedule.payload for schedule in list_schedules(sql)] == [{"connection_id": line.id} for line in lines]


def test_a_second_start_changes_nothing_but_the_server_s_address(
    sql: psycopg.Connection, database_url: str, tmp_path: Path, passwords: dict[str, str]
) -> None:
    seed_accounts(addresses(database_url, tmp_path))
    before = [line.id for line in list_connections(sql)]

    seed_accounts(addresses(database_url, tmp_path, "http://127.0.0.1:9999"))

    lines = list_connections(sql)
    assert [line.id for line in lines] == before
    assert {line.config["url"] for line in lines} == {"http://127.0.0.1:9999"}
    assert len(list_schedules(sql)) == len(before)


def test_the_start_waits_for_as_many_servants_as_there_shall_be(sql: psycopg.Connection, database_url: str) -> None:
    wanted = {"system.echo": 2, "calendar.sync": 1}
    add_servant(sql, "calendar.sync")
    add_servant(sql, "system.echo")
    assert _missing_servants(database_url, wanted, 30) == "no heartbeat yet of system.echo"

    add_servant(sql, "system.echo")
    assert _missing_servants(database_url, wanted, 30) is None
