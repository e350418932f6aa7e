"""`retinue connections add salesforce` and `retinue connections sign-in`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import click

from cli.connection_add import Installation, common_options, print_added
from cli.connection_trial import try_out
from cli.credentials import check
from cli.environment import current_settings, database_connection, ring_bell
from cli.errors import BadInput
from cli.params import ID, json_option
from cli.permits import needs
from cli.salesforce_sign_in import granted_now, read_sign_in, sign_in_options
from infra.permissions import Permission

#: What is stored of the settings, where it is given.
_CONFIG = ("login_url", "client_id", "username", "audience", "api_version")


@click.command("salesforce", short_help="Add an org of Salesforce and sync it.")
@needs(Permission.WORK_ACT, notes="connection.add")
@click.option("--client-id", required=True, help="The consumer key of the app that Retinue signs in as.")
@click.option("--username", help="The user to be, with a key; else for show.")
@click.option("--login-url", metavar="URL", help="Where people sign in, such as https://acme.my.salesforce.com.")
@click.option("--sandbox", is_flag=True, help="Sign in at https://test.salesforce.com.")
@click.option("--audience", help="With a key: whom it is shown to, unless that is where people sign in.")
@click.option("--api-version", help="The version of the API, such as 62.0.")
@click.option(
    "--quota-share",
    type=click.FloatRange(0.05, 1),
    default=0.5,
    show_default=True,
    help="The share of the org's daily API calls at which Retinue stops; the rest is for the customer's other tools.",
)
@common_options
@sign_in_options
@json_option
def add_salesforce(as_json: bool, sandbox: bool, **options: Any) -> None:
    """Add an org of Salesforce and the schedules that keep it in step; the first sync is due at once.

    It signs in with a key (JWT bearer flow), with tokens from a file, or by your browser. Without a name the connection
    is called as its user is, or its host.
    """
    from infra.organizations import with_organization
    from infra.postgres.salesforce_connections import add_salesforce_connection
    from servants.salesforce.client.sign_in import SANDBOX_URL, SignIn

    here = Installation()
    if sandbox:
        if options["login_url"]:
            raise BadInput("Give --sandbox or --login-url, not both.")
        options["login_url"] = SANDBOX_URL
    config = {name: options[name] for name in _CONFIG if options[name]}
    credentials = read_sign_in(config, options)
    sign_in = check(lambda: SignIn.from_settings(config, credentials))
    name = options["name"] or sign_in.username or urlsplit(sign_in.instance_url or sign_in.login_url).hostname
    config = with_organization(config, credentials)
    made = here.add(
        add_salesforce_connection, options, provider="salesforce", name=name, config=config, credentials=credentials
    )
    print_added(made, as_json=as_json)


@click.command("sign-in", short_help="Sign in to an org of Salesforce anew.")
@needs(Permission.WORK_ACT, notes="connection.sign_in", of="connection_id")
@click.argument("connection_id", metavar="ID", type=ID)
@sign_in_options
@json_option
def sign_in(connection_id: int, as_json: bool, **options: Any) -> None:
    """Sign in anew over a connection to Salesforce, then test it: where all is well, its parked lanes go on.

    It has to be to the same org: another one is connected by `retinue connections add salesforce`.
    """
    from infra.organizations import organization_of, with_organization
    from infra.postgres.connections import read_connection, update_connection
    from infra.postgres.salesforce_connections import keep_to_organization, known_organization
    from infra.secrets import Keyring
    from servants.salesforce.client.sign_in import SignIn
    from servants.salesforce.provider import PROVIDER

    settings = current_settings()
    keyring = Keyring.from_settings(settings)
    with database_connection(settings) as connection:
        stored = read_connection(connection, connection_id)
        kept = known_organization(connection, keyring, connection_id)
    if stored.provider != PROVIDER:
        raise BadInput(
            f"Connection {connection_id} is for {stored.provider!r}, not for {PROVIDER!r}: "
            "`retinue connections password` gives it a new password."
        )
    config = stored.config if isinstance(stored.config, dict) else {}
    credentials = read_sign_in(config, options)
    given = check(lambda: SignIn.from_settings(config, credentials))
    if kept and not organization_of(credentials):
        credentials = granted_now(given, credentials)
    with database_connection(settings) as connection:
        keep_to_organization(connection, keyring, connection_id, credentials)
        settled = with_organization(config, credentials)
        update_connection(connection, keyring, connection_id, config=settled, credentials=credentials)
    ring_bell(settings)
    try_out(settings, connection_id, as_json=as_json)
