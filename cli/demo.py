"""The demo accounts of the embedded stack: their rows, so that their calendars, mailboxes and org are synced."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import psycopg

    from infra.local.environment import Addresses
    from infra.postgres.connections import NewConnection
    from infra.secrets import Keyring

#: How often the demo calendars, mailboxes and org are synced.
EVERY = timedelta(seconds=15)

CALENDARS = "demo calendars"
MAILBOX = "demo mailbox"
ORG = "demo org"


def seed_calendars(addresses: Addresses) -> None:
    """Make the demo calendars that the CalDAV server lacks."""
    from infra.local.demo_accounts import seed
    from infra.local.sign_ins import read_passwords

    seed(addresses.caldav_url, read_passwords(addresses.caldav_data))


def seed_mail(addresses: Addresses) -> None:
    """Make the demo mailboxes and messages that the IMAP server lacks."""
    from infra.local.demo_mail import seed
    from infra.local.sign_ins import read_passwords

    seed(addresses.imap_port, read_passwords(addresses.imap_data))


def seed_salesforce(addresses: Addresses) -> None:
    """Fill the sandbox org where it is empty, and let Retinue sign in to it."""
    from infra.local.salesforce.demo import seed

    own = urlsplit(addresses.manager_url)
    hosts = dict.fromkeys((own.netloc, f"localhost:{own.port}", f"127.0.0.1:{own.port}"))
    back = " ".join(f"{own.scheme}://{host}/account/connect/salesforce/back" for host in hosts)
    seed(addresses.salesforce_url, addresses.salesforce_data, callback_url=back)


def seed_accounts(addresses: Addresses) -> None:
    """Make the demo accounts, connections and schedules that are missing; lead those that exist to these servers."""
    from infra.local.demo_accounts import DEMO_ACCOUNTS
    from infra.local.sign_ins import read_passwords
    from infra.postgres.connect import connect

    org_account = DEMO_ACCOUNTS[0].name
    calendars, mail = read_passwords(addresses.caldav_data), read_passwords(addresses.imap_data)
    keyring = _keyring(addresses)
    with connect(addresses.database_url, application_name="retinue-demo") as connection:
        for account in DEMO_ACCOUNTS:
            account_id = _account(connection, account.name)
            user = account.user
            _seed_connection(connection, keyring, _calendars(addresses, account_id, user, calendars[user]))
            _seed_connection(connection, keyring, _mailbox(addresses, account_id, user, mail[user]))
            if account.name == org_account:
                _seed_connection(connection, keyring, _org(addresses, account_id))


def _account(connection: psycopg.Connection, name: str) -> int:
    from infra.postgres.accounts import add_account, find_account
    from retinue.errors import NotFound

    try:
        return find_account(connection, name).id
    except NotFound:
        return add_account(connection, name).id


def _calendars(addresses: Addresses, account_id: int, user: str, password: str) -> NewConnection:
    from infra.postgres.connections import NewConnection

    return NewConnection(
        account_id=account_id,
        provider="caldav",
        name=CALENDARS,
        config={"url": addresses.caldav_url, "username": user},
        credentials={"password": password},
    )


def _mailbox(addresses: Addresses, account_id: int, user: str, password: str) -> NewConnection:
    from infra.local.demo_mail import HOST
    from infra.postgres.connections import NewConnection

    return NewConnection(
        account_id=account_id,
        provider="imap",
        name=MAILBOX,
        config={"host": HOST, "port": addresses.imap_port, "username": user, "tls": "none"},
        credentials={"password": password},
    )


def _org(addresses: Addresses, account_id: int) -> NewConnection:
    from infra.local.demo_org import CLIENT_ID
    from infra.local.salesforce.demo import USERNAME, signing_key
    from infra.postgres.connections import NewConnection

    return NewConnection(
        account_id=account_id,
        provider="salesforce",
        name=ORG,
        config={"login_url": addresses.salesforce_url, "client_id": CLIENT_ID, "username": USERNAME},
        credentials={"private_key": signing_key(addresses.salesforce_data)},
    )


def _seed_connection(connection: psycopg.Connection, keyring: Keyring, new: NewConnection) -> None:
    """Make the connection with its schedules, or lead the one that exists to this server."""
    from infra.postgres.calendar_connections import add_caldav_connection
    from infra.postgres.connections import find_connection, update_connection
    from infra.postgres.mail_connections import add_imap_connection
    from infra.postgres.salesforce_connections import add_salesforce_connection

    connection_id = find_connection(connection, new.account_id, new.provider, new.name)
    if connection_id is not None:
        update_connection(connection, keyring, connection_id, config=new.config, credentials=new.credentials)
    elif new.provider == "imap":
        add_imap_connection(connection, keyring, new, every=EVERY)
    elif new.provider == "salesforce":
        add_salesforce_connection(connection, keyring, new, every=EVERY)
    else:
        add_caldav_connection(connection, keyring, new, every=EVERY)


def _keyring(addresses: Addresses) -> Keyring:
    """The stack's own keyring."""
    from infra.secrets import Keyring
    from infra.settings import load_settings
    from infra.settings_sources import ENV_PREFIX

    own: dict[str, Any] = {
        name.removeprefix(ENV_PREFIX).lower(): value
        for name, value in addresses.environment.items()
        if name.startswith(ENV_PREFIX)
    }
    return Keyring.from_settings(load_settings(**own))
