"""`retinue members`: the people of an account, who sign in to its own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.environment import current_settings, database_connection
from cli.errors import BadInput
from cli.noted import note
from cli.params import json_option, operator_option
from cli.permits import needs
from infra.permissions import Permission

if TYPE_CHECKING:
    from infra.postgres.members import Member

_ACCOUNT = click.argument("account", metavar="ACCOUNT")


@click.group()
def members() -> None:
    """Say who of an account may sign in to its own pages."""


@members.command("list")
@needs(Permission.PEOPLE_RULE)
@_ACCOUNT
@json_option
def list_members(account: str, as_json: bool) -> None:
    """List the members of ACCOUNT, an ID or a name."""
    from cli.job_views import short_moment
    from cli.output import Column, print_json, print_table
    from infra.postgres import members as stored
    from infra.postgres.accounts import find_account

    with database_connection() as connection:
        found = stored.list_members(connection, find_account(connection, account).id)
    if as_json:
        print_json({"members": found})
        return
    columns: list[Column[Member]] = [
        Column("ID", lambda member: member.id, right=True),
        Column("Name", lambda member: member.name),
        Column("Address", lambda member: member.email),
        Column("Role", lambda member: member.role),
        Column("Last signed in (UTC)", lambda member: short_moment(member.signed_in_at)),
        Column("State", _state),
    ]
    print_table(found, columns, empty="Nobody. `retinue members invite` invites somebody.")


@members.command("invite", short_help="Invite somebody of an account.")
@needs(Permission.PEOPLE_RULE)
@_ACCOUNT
@click.option("--email", required=True, help="Their address, by which they sign in.")
@click.option("--name", required=True, help="What they are called.")
@click.option(
    "--role",
    type=click.Choice(["member", "admin"]),
    default="admin",
    show_default=True,
    help="A member looks; an admin connects, invites, and says whether support may look.",
)
@click.option("--mail", is_flag=True, help="Send them the link by the mail server of the settings; it is not printed.")
@operator_option
@json_option
def invite(account: str, email: str, name: str, role: str, mail: bool, operator: str, as_json: bool) -> None:
    """Invite somebody of ACCOUNT, an ID or a name, and print the link that lets them in once, for a week.

    Who was invited and has not come yet is given a new link; the one before stops working.
    """
    from cli.output import print_json
    from infra.invitations import Invited, link_of, tell
    from infra.outgoing_mail import can_send
    from infra.postgres.accounts import find_account
    from infra.postgres.audit import Act
    from infra.postgres.members import invite_member
    from infra.principal import MemberRole

    settings = current_settings()
    if mail and not can_send(settings):
        raise BadInput("There is no mail server: set RETINUE_SMTP_URL, or leave --mail out and pass the link on.")
    with database_connection() as connection:
        found = find_account(connection, account)
        made = invite_member(connection, found.id, email=email, name=name, role=MemberRole(role), by=operator)
        act = Act("member.invite", "member", made.member.id, found.id, {"role": role})
        note(connection, operator, act)
    told = {"sent_to": email} if mail else {"link": link_of(manager_address(), made)}
    if mail:
        tell(settings, Invited(made, found.name, operator))
    if as_json:
        print_json({"member": made.member, **told})
        return
    how = f"A letter to {email} says how to come in." if mail else _how(told["link"])
    click.echo(f"{name} is invited to {found.name} as {role}. {how}")


def _how(link: str) -> str:
    return f"This link lets them in once, within a week:\n\n{link}"


@members.command("disable")
@needs(Permission.PEOPLE_RULE)
@_ACCOUNT
@click.argument("member_id", metavar="ID", type=click.IntRange(1))
@operator_option
def disable(account: str, member_id: int, operator: str) -> None:
    """Let a member of ACCOUNT sign in no more, and sign them out everywhere."""
    from infra.postgres.accounts import find_account
    from infra.postgres.audit import Act
    from infra.postgres.members import change_member

    with database_connection() as connection:
        account_id = find_account(connection, account).id
        member = change_member(connection, account_id, member_id, disabled=True)
        note(connection, operator, Act("member.disable", "member", member_id, account_id))
    click.echo(f"{member.name} cannot sign in any more, and is signed out everywhere.")


def manager_address() -> str:
    """Where people reach the manager, as far as the settings tell."""
    settings = current_settings()
    if settings.manager_url is not None:
        return settings.manager_url
    host = f"[{settings.manager_host}]" if ":" in settings.manager_host else settings.manager_host
    return f"http://{host}:{settings.manager_port}"


def _state(member: Member) -> str:
    return "disabled" if member.disabled_at else "active" if member.joined_at else "invited"
