"""`retinue assume`: ask to see an account as its own people do."""

from __future__ import annotations

import click

from cli.environment import database_connection
from cli.errors import BadInput
from cli.members import manager_address
from cli.noted import note
from cli.params import json_option, system_user
from cli.permits import needs
from infra.permissions import Permission


@click.command(short_help="Ask to see an account as its own people do.")
@needs(Permission.ACCOUNT_ASSUME)
@click.argument("account", metavar="ACCOUNT")
@click.option("--reason", required=True, help="Why; the account's admins and the audit show it.")
@click.option("--ticket", metavar="URL", help="A link to what it is about.")
@click.option(
    "--as", "person", metavar="NAME", required=True, help="The person who will look, as `users list` names them."
)
@json_option
def assume(account: str, reason: str, ticket: str | None, person: str, as_json: bool) -> None:
    """Ask to see ACCOUNT, an ID or a name, as its own people do: read-only and masked, for half an hour at most.

    Prints where the person begins, signed in to the manager; where the account's admins decide, they are asked first.
    """
    from cli.output import print_json
    from infra.permissions import Permission, operator_may
    from infra.postgres.accounts import find_account
    from infra.postgres.audit import Act
    from infra.postgres.people import find_person
    from infra.postgres.visits import AssumePolicy, ask_visit, assume_policy

    with database_connection() as connection:
        found, who = find_account(connection, account), find_person(connection, person)
        if not operator_may(who.role, Permission.ACCOUNT_ASSUME) or who.disabled_at is not None:
            raise BadInput(f"{who.name} may not assume accounts: that needs the role operator.")
        visit = ask_visit(
            connection,
            account_id=found.id,
            person_id=who.id,
            person_name=who.name,
            reason=reason,
            ticket_url=ticket,
            begin=False,
        )
        detail = {"reason": visit.reason, "ticket": visit.ticket_url, "state": visit.state}
        detail["as"] = who.name
        note(connection, system_user(), Act("account.assume", "visit", visit.id, found.id, detail))
        waits = assume_policy(connection, found.id) is AssumePolicy.APPROVAL
    link = f"{manager_address()}/accounts/{found.id}/assume"
    if as_json:
        print_json({"visit": visit, "link": link})
        return
    once = f"Once an admin of {found.name} has let them in, " if waits else ""
    click.echo(f"{once}{who.name} begins here, signed in to the manager:\n\n{link}")
