"""`retinue users`: who may sign in to the manager, and what each may do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from cli.environment import current_settings, database_connection
from cli.errors import BadInput
from cli.noted import note
from cli.params import json_option, operator_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    import psycopg

    from infra.postgres.people import Person

_ROLES = click.Choice(["viewer", "operator", "admin"])
_password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, one line; else one is made."
)


@click.group()
def users() -> None:
    """Say who may sign in to the manager, and what each may do."""


@users.command("list")
@needs(Permission.PEOPLE_RULE)
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@json_option
def list_users(limit: int, as_json: bool) -> None:
    """List people, the newest first."""
    from cli.job_views import short_moment
    from cli.output import Column, print_json, print_table
    from infra.postgres import people

    with _people() as connection:
        found = people.list_people(connection, limit=limit)
    if as_json:
        print_json({"users": found})
        return
    columns: list[Column[Person]] = [
        Column("ID", lambda person: person.id, right=True),
        Column("Name", lambda person: person.name),
        Column("Role", lambda person: person.role),
        Column("Signs in by", _means),
        Column("Last signed in (UTC)", lambda person: short_moment(person.signed_in_at)),
        Column("State", lambda person: "disabled" if person.disabled_at else "active"),
    ]
    print_table(found, columns, empty="Nobody.")


@users.command("add")
@needs(Permission.PEOPLE_RULE)
@click.argument("name")
@click.option("--role", type=_ROLES, default="viewer", show_default=True, help="What they may do.")
@_password_option
@operator_option
@json_option
def add_user(name: str, role: str, password_stdin: bool, operator: str, as_json: bool) -> None:
    """Add a person named NAME, who signs in with a password."""
    from infra.postgres import people
    from infra.postgres.audit import Act
    from infra.roles import Role

    password, hashed = _password(name, from_stdin=password_stdin)
    with _people() as connection:
        person = people.add_person(connection, name, Role(role), password_hash=hashed)
        note(connection, operator, Act("person.add", "person", person.id, detail={"name": name, "role": role}))
    _print(person, f"{person.name} ({person.role}) was added.", password, as_json=as_json, shown=not password_stdin)


@users.command("role")
@needs(Permission.PEOPLE_RULE)
@click.argument("name")
@click.argument("role", type=_ROLES)
@operator_option
@json_option
def change_role(name: str, role: str, operator: str, as_json: bool) -> None:
    """Give the person NAME another ROLE, from their next request on."""
    from infra.postgres import people
    from infra.postgres.audit import Act
    from infra.roles import Role

    with _people() as connection:
        person = people.find_person(connection, name)
        changed = people.set_role(connection, person.id, Role(role))
        detail = {"name": person.name, "before": person.role, "after": role}
        if changed:
            note(connection, operator, Act("person.role", "person", person.id, detail=detail))
        person = people.find_person(connection, person.id)
    _print(person, f"{person.name} has the role {person.role} now.", as_json=as_json)


@users.command("password")
@needs(Permission.PEOPLE_RULE)
@click.argument("name")
@_password_option
@operator_option
@json_option
def change_password(name: str, password_stdin: bool, operator: str, as_json: bool) -> None:
    """Give the person NAME a new password; they are signed out everywhere."""
    from infra.postgres import people
    from infra.postgres.audit import Act

    with _people() as connection:
        person = people.find_person(connection, name)
        password, hashed = _password(person.name, from_stdin=password_stdin)
        people.set_password(connection, person.id, hashed)
        note(connection, operator, Act("person.password", "person", person.id, detail={"name": person.name}))
    said = f"{person.name} has a new password, and is signed out everywhere."
    _print(person, said, password, as_json=as_json, shown=not password_stdin)


@users.command("disable")
@needs(Permission.PEOPLE_RULE)
@click.argument("name")
@operator_option
@json_option
def disable_user(name: str, operator: str, as_json: bool) -> None:
    """Let the person NAME in no more.

    Their sessions end at once, and their tokens are refused.
    """
    from infra.postgres import people
    from infra.postgres.audit import Act

    with _people() as connection:
        person = people.find_person(connection, name)
        if people.disable_person(connection, person.id):
            note(connection, operator, Act("person.disable", "person", person.id, detail={"name": person.name}))
        person = people.find_person(connection, person.id)
    _print(person, f"{person.name} cannot sign in any more, and their tokens are refused.", as_json=as_json)


@users.command("enable")
@needs(Permission.PEOPLE_RULE)
@click.argument("name")
@operator_option
@json_option
def enable_user(name: str, operator: str, as_json: bool) -> None:
    """Let the person NAME in again."""
    from infra.postgres import people
    from infra.postgres.audit import Act

    with _people() as connection:
        person = people.find_person(connection, name)
        if people.enable_person(connection, person.id):
            note(connection, operator, Act("person.enable", "person", person.id, detail={"name": person.name}))
        person = people.find_person(connection, person.id)
    _print(person, f"{person.name} can sign in again.", as_json=as_json)


@contextmanager
def _people() -> Iterator[psycopg.Connection]:
    """A connection to a database that knows the settings' user, the first admin, as the manager does."""
    from infra.postgres import people
    from infra.roles import Role

    settings = current_settings()
    with database_connection(settings) as connection:
        people.ensure_person(connection, settings.manager_user, Role.ADMIN)
        yield connection


def _password(name: str, *, from_stdin: bool) -> tuple[str, str]:
    """The new password of the person named `name`, and its hash."""
    from infra.passwords import WeakPassword, hash_password, new_password

    password = sys.stdin.readline().rstrip("\r\n") if from_stdin else new_password()
    try:
        return password, hash_password(password, name=name)
    except WeakPassword as error:
        raise BadInput(error.message) from None


def _print(person: Person, said: str, password: str = "", *, as_json: bool, shown: bool = False) -> None:
    from dataclasses import asdict

    from cli.output import print_json

    if as_json:
        print_json(asdict(person) | ({"password": password} if shown else {}))
        return
    click.echo(said)
    if shown:
        click.echo(f"Password: {password}")
        click.echo("It is shown this once.")


def _means(person: Person) -> str:
    if person.oidc_issuer is not None:
        return person.oidc_issuer
    return "password" if person.has_password else "the settings' password"
