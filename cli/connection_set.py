"""`retinue connections set`: where a connection leads, and as whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from cli.connection_trial import try_out
from cli.credentials import check_calendar_sign_in, check_mail_sign_in
from cli.environment import current_settings, database_connection, ring_bell
from cli.errors import BadInput
from cli.params import ID, json_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    import psycopg

    from retinue.connection import Connection

#: Takes a setting away, so that what is usual counts.
USUAL = "usual"
_MAY_BE_USUAL = ("port", "ca_file")


class _OrUsual(click.ParamType[Any]):
    """What another type takes, or `usual`."""

    def __init__(self, other: click.ParamType[Any]) -> None:
        self._other = other
        self.name = other.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == USUAL else self._other.convert(value, param, ctx)


@dataclass(frozen=True, slots=True)
class _Provider:
    """What can be changed of its connections, what refuses settings, and what other mail or calendars are."""

    names: tuple[str, ...]
    check: Callable[[Mapping[str, Any], Mapping[str, str]], None]
    is_elsewhere: Callable[[Mapping[str, Any], Mapping[str, Any]], bool]
    forget: Callable[[psycopg.Connection, int], None]


@click.command("set", short_help="Change a connection's server, user or name, then test it.")
@needs(Permission.WORK_ACT, notes="connection.set", of="connection_id")
@click.argument("connection_id", metavar="ID", type=ID)
@click.option("--host", help="The mail server's name.")
@click.option("--port", metavar="PORT|usual", type=_OrUsual(click.IntRange(1, 65535)), help="The mail server's port.")
@click.option("--tls", type=click.Choice(["tls", "starttls", "none"]), help="How mail is encrypted.")
@click.option(
    "--ca-file",
    metavar="FILE|usual",
    type=_OrUsual(click.Path(exists=True, dir_okay=False, resolve_path=True)),
    help="A PEM file of the authorities that a mail server is trusted by; usual: those of this machine.",
)
@click.option("--url", help="The CalDAV server's address.")
@click.option("--username", help="The user to sign in as.")
@click.option("--name", help="What the connection is called within its account.")
@json_option
def change_connection(connection_id: int, name: str | None, as_json: bool, **options: Any) -> None:
    """Change settings of a connection and keep the rest, its password too; then test it, as `connections test` does.

    Where server or user are other ones, the next sync takes nothing for known: see the pages on email and calendars.
    """
    from infra.postgres.connections import open_connection
    from infra.secrets import Keyring

    given = {key: value for key, value in options.items() if value is not None}
    if not given and name is None:
        raise BadInput("Say what is to be changed, as in --port 993; --help tells what can be.")
    settings = current_settings()
    with database_connection(settings) as connection:
        before = open_connection(connection, Keyring.from_settings(settings), connection_id)
        config = _change(connection, before, given, name)
    ring_bell(settings)
    changed = sorted(given) + (["name"] if name is not None else [])
    if not as_json:
        _say(connection_id, [(key, config.get(key, USUAL) if key != "name" else name) for key in changed])
    try_out(settings, connection_id, as_json=as_json, more={"changed": changed})


def _change(
    connection: psycopg.Connection, before: Connection, given: Mapping[str, Any], name: str | None
) -> dict[str, Any]:
    """The settings as they are now."""
    from infra.postgres.connections import change_settings

    provider = _provider(before, given)
    # Rows may hold whatever JSON somebody wrote into them.
    stored: Any = before.config
    known = stored if isinstance(stored, Mapping) else {}
    usual = {key for key, value in given.items() if key in _MAY_BE_USUAL and value == USUAL}
    config = {key: value for key, value in {**known, **given}.items() if key not in usual}
    provider.check(config, before.credentials)
    if provider.is_elsewhere(known, config):
        provider.forget(connection, before.id)
    change_settings(connection, before.id, name=before.name if name is None else name, config=config)
    return config


def _provider(connection: Connection, given: Mapping[str, Any]) -> _Provider:
    provider = _providers().get(connection.provider)
    if provider is None:
        raise BadInput(f"Connection {connection.id} is for {connection.provider!r}, whose settings are not kept here.")
    odd = [key for key in given if key not in provider.names]
    if odd:
        known = ", ".join(map(_option, provider.names))
        raise BadInput(
            f"Connection {connection.id} is for {connection.provider!r} and has no {_option(odd[0])}; "
            f"it takes {known} and --name."
        )
    return provider


def _providers() -> dict[str, _Provider]:
    from infra.postgres import calendar_connections, mail_connections

    mail = ("host", "port", "tls", "ca_file", "username")
    return {
        "imap": _Provider(
            mail, check_mail_sign_in, mail_connections.is_another_mailbox, mail_connections.forget_positions
        ),
        "caldav": _Provider(
            ("url", "username"),
            check_calendar_sign_in,
            calendar_connections.has_other_calendars,
            calendar_connections.forget_versions,
        ),
    }


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _say(connection_id: int, changed: list[tuple[str, object]]) -> None:
    told = ", ".join(f"{key.replace('_', '-')} {value}" for key, value in changed)
    click.echo(f"Connection {connection_id} was changed: {told}.")
