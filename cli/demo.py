"""The demo accounts of the embedded stack: their rows, so that their calendars are synced."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

    from infra.local.demo_accounts import DemoAccount
    from infra.local.environment import Addresses
    from infra.secrets import Keyring

#: How often the demo calendars are synced.
EVERY = timedelta(seconds=15)

NAME = "demo calendars"


def seed_calendars(addresses: Addresses) -> None:
    """Make the demo calendars that the CalDAV server lacks."""
    from infra.local.demo_accounts import seed
    from infra.local.sign_ins import read_passwords

    seed(addresses.caldav_url, read_passwords(addresses.caldav_data))


def seed_accounts(addresses: Addresses) -> None:
    """Make the demo accounts, connections and schedules that are missing; lead those that exist to this server."""
    from infra.local.demo_accounts import DEMO_ACCOUNTS
    from infra.local.sign_ins import read_passwords
    from infra.postgres.connect import connect

    passwords = read_passwords(addresses.caldav_data)
    with connect(addresses.database_url, application_name="retinue-demo") as connection:
        for account in DEMO_ACCOUNTS:
            _seed_account(connection, _keyring(addresses), account, addresses.caldav_url, passwords[account.user])


def _seed_account(
    connection: psycopg.Connection, keyring: Keyring, account: DemoAccount, url: str, password: str
) -> None:
    from infra.postgres.accounts import add_account, find_account
    from infra.postgres.calendar_connections import add_caldav_connection
    from infra.postgres.connections import NewConnection, find_connection, update_connection
    from retinue.errors import NotFound

    try:
        account_id = find_account(connection, account.name).id
    except NotFound:
        account_id = add_account(connection, account.name).id
    new = NewConnection(
        account_id=account_id,
        provider="caldav",
        name=NAME,
        config={"url": url, "username": account.user},
        credentials={"password": password},
    )
    connection_id = find_connection(connection, account_id, new.provider, new.name)
    if connection_id is None:
        add_caldav_connection(connection, keyring, new, every=EVERY)
    else:
        update_connection(connection, keyring, connection_id, config=new.config, credentials=new.credentials)


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
