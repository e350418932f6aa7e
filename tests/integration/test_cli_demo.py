from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from cli.demo import seed_accounts
from cli.stack import _missing_servants
from infra.keys import generate_key
from infra.local.demo_accounts import DEMO_ACCOUNTS
from infra.local.demo_org import CLIENT_ID
from infra.local.environment import Addresses
from infra.local.salesforce.demo import USERNAME, signing_key
from infra.local.sign_ins import prepare_users
from infra.postgres.connections import list_connections, open_connection
from infra.postgres.schedule_lines import list_schedules
from infra.secrets import Keyring
from tests.support.command_line import bare_environment
from tests.support.factories import add_servant

__all__ = ["bare_environment"]

pytestmark = pytest.mark.usefixtures("bare_environment")

KEY = generate_key()
ORG = "http://127.0.0.1:8650"


@pytest.fixture
def passwords(tmp_path: Path) -> dict[str, str]:
    return prepare_users(tmp_path, [account.user for account in DEMO_ACCOUNTS])


def addresses(
    database_url: str,
    data: Path,
    caldav_url: str = "http://127.0.0.1:8630",
    *,
    imap_port: int = 8640,
    org_port: int = 8650,
) -> Addresses:
    return Addresses(
        database_url=database_url,
        sqs_endpoint_url="http://127.0.0.1:8620",
        caldav_url=caldav_url,
        caldav_data=data,
        imap_port=imap_port,
        imap_data=data,
        salesforce_url=f"http://127.0.0.1:{org_port}",
        salesforce_data=data,
        manager_url="http://127.0.0.1:8600",
        manager_user="operator",
        manager_password="secret",
        environment={
            "RETINUE_DATABASE_URL": database_url,
            "RETINUE_SECRET_KEY": KEY.render(),
            "AWS_ACCESS_KEY_ID": "x",
        },
    )


def test_every_demo_account_gets_connections_that_are_synced_often(
    sql: psycopg.Connection, database_url: str, tmp_path: Path, passwords: dict[str, str]
) -> None:
    seed_accounts(addresses(database_url, tmp_path))

    lines = list_connections(sql)
    wanted = [(account.name, provider) for account in DEMO_ACCOUNTS for provider in ("caldav", "imap")]
    wanted.insert(2, (DEMO_ACCOUNTS[0].name, "salesforce"))
    assert [(line.account_name, line.provider) for line in lines] == wanted
    mailbox = {"host": "127.0.0.1", "port": 8640, "tls": "none"}
    users = {account.name: account.user for account in DEMO_ACCOUNTS}
    for line in lines:
        user = users[line.account_name]
        opened = open_connection(sql, Keyring(KEY), line.id)
        if line.provider == "salesforce":
            assert opened.config == {"login_url": ORG, "client_id": CLIENT_ID, "username": USERNAME}
            assert opened.credentials == {"private_key": signing_key(tmp_path)}
            continue
        where = mailbox if line.provider == "imap" else {"url": "http://127.0.0.1:8630"}
        assert opened.config == {**where, "username": user}
        assert opened.credentials == {"password": passwords[user]}
    synced = {(schedule.type, schedule.payload["connection_id"]) for schedule in list_schedules(sql)}
    types = {"caldav": {"calendar.sync"}, "imap": {"email.sync", "email.watch"}}
    types["salesforce"] = {"salesforce.sync", "salesforce.reconcile", "salesforce.formulas"}
    assert synced == {(job_type, line.id) for line in lines for job_type in types[line.provider]}


def test_a_second_start_changes_nothing_but_the_servers_addresses(
    sql: psycopg.Connection, database_url: str, tmp_path: Path, passwords: dict[str, str]
) -> None:
    seed_accounts(addresses(database_url, tmp_path))
    before, schedules = [line.id for line in list_connections(sql)], len(list_schedules(sql))

    seed_accounts(addresses(database_url, tmp_path, "http://127.0.0.1:9999", imap_port=9998, org_port=9997))

    lines = list_connections(sql)
    assert [line.id for line in lines] == before
    places = {line.config.get("url") or line.config.get("login_url") or line.config["port"] for line in lines}
    assert places == {"http://127.0.0.1:9999", 9998, "http://127.0.0.1:9997"}
    assert len(list_schedules(sql)) == schedules


def test_the_start_waits_for_as_many_servants_as_there_shall_be(sql: psycopg.Connection, database_url: str) -> None:
    wanted = {"system.echo": 2, "calendar.sync": 1}
    add_servant(sql, "calendar.sync")
    add_servant(sql, "system.echo")
    assert _missing_servants(database_url, wanted, 30) == "no heartbeat yet of system.echo"

    add_servant(sql, "system.echo")
    assert _missing_servants(database_url, wanted, 30) is None
