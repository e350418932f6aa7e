"""How admins of an account connect an org of Salesforce, or sign in anew: there, by their browser, and back here."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, request, session, url_for
from werkzeug.wrappers import Response

from infra.logs import get_logger
from infra.organizations import organization_of, with_organization
from infra.permissions import Permission
from infra.postgres.connection_actions import try_now
from infra.postgres.connections import NewConnection, read_connection, update_connection
from infra.postgres.salesforce_connections import (
    OtherOrganization,
    add_salesforce_connection,
    refuse_another,
)
from infra.secrets import Keyring
from infra.settings import SALESFORCE_LOGIN_URL
from manager.account.acts import EVERY, acting_member, keep_to_own, show_connection
from manager.account.principals import current_principal
from manager.deps import Deps
from manager.org_sign_in import OrgSignIn
from manager.roles import requires
from retinue.errors import JobError, NotFound

#: Where people of a sandbox sign in (Salesforce Help, "Log In to Your Sandbox").
SANDBOX_URL = "https://test.salesforce.com"

_PROVIDER = "salesforce"

#: What the browser keeps between going and coming back: state, verifier, account, login_url, connection.
_KEPT = "salesforce"

log = get_logger(__name__)


def offered(deps: Deps) -> dict[str, bool]:
    """What the page of connecting says of Salesforce."""
    is_offered = deps.settings.salesforce_client_id is not None
    return {
        "has_salesforce": is_offered,
        "has_sandbox": is_offered and deps.settings.salesforce_login_url == SALESFORCE_LOGIN_URL,
    }


def add_salesforce(blueprint: Blueprint, deps: Deps) -> None:
    """To Salesforce, and back from it."""

    @blueprint.get("/connect/salesforce")
    @requires(Permission.OWN_RULE)
    def begin_salesforce() -> Response:
        return _begin(deps, SANDBOX_URL if "sandbox" in request.args else deps.settings.salesforce_login_url, None)

    @blueprint.get("/connections/<int:connection_id>/salesforce")
    @requires(Permission.OWN_RULE)
    def begin_salesforce_anew(connection_id: int) -> Response:
        with deps.database.transaction() as connection:
            stored = read_connection(connection, connection_id)
        keep_to_own(stored.account_id, connection_id)
        if stored.provider != _PROVIDER:
            raise NotFound(f"{stored.name} is no org of Salesforce.")
        config = stored.config if isinstance(stored.config, dict) else {}
        return _begin(deps, str(config.get("login_url") or SALESFORCE_LOGIN_URL).rstrip("/"), connection_id)

    @blueprint.get("/connect/salesforce/back")
    @requires(Permission.OWN_RULE)
    def finish_salesforce() -> Response:
        kept = session.pop(_KEPT, None)
        if not isinstance(kept, dict) or kept.get("account") != current_principal().account_id:
            return _turned_away("This is not the sign-in that was begun here. Begin anew.")
        try:
            credentials = _resumed(deps, kept).finish(request.args)
        except JobError as error:
            log.warning("salesforce_sign_in_refused", error=type(error).__name__, message=error.message)
            return _turned_away(error.message)
        return _keep(deps, kept, credentials)


def _begin(deps: Deps, login_url: str, connection_id: int | None) -> Response:
    try:
        sign_in = deps.sign_in_to_org(login_url, *_app(deps))
    except JobError as error:
        return _turned_away(error.message)
    session[_KEPT] = {
        "state": sign_in.state,
        "verifier": sign_in.verifier,
        "account": current_principal().account_id,
        "login_url": login_url,
        "connection": connection_id,
    }
    return redirect(sign_in.url, 303)


def _resumed(deps: Deps, kept: dict[str, Any]) -> OrgSignIn:
    return deps.sign_in_to_org(kept["login_url"], *_app(deps), state=kept["state"], verifier=kept["verifier"])


def _app(deps: Deps) -> tuple[str, str, str]:
    """What this installation is at Salesforce: its consumer key, where browsers come back to, its consumer secret."""
    client_id, secret = deps.settings.salesforce_client_id, deps.settings.salesforce_client_secret
    if client_id is None:
        raise NotFound("Nobody has set up signing in to Salesforce here: ask whoever runs this installation.")
    back = url_for("account.finish_salesforce", _external=True)
    return client_id, back, "" if secret is None else secret.get_secret_value()


def _keep(deps: Deps, kept: dict[str, Any], credentials: dict[str, str]) -> Response:
    config = {"client_id": deps.settings.salesforce_client_id, "login_url": kept["login_url"]}
    if kept["connection"] is None:
        return _add(deps, config, credentials)
    try:
        return _renew(deps, kept["connection"], config, credentials)
    except OtherOrganization as refusal:
        flash(refusal.message, "bad")
        return redirect(url_for("account.connection", connection_id=kept["connection"]), 303)


def _add(deps: Deps, config: dict[str, Any], credentials: dict[str, str]) -> Response:
    name = urlsplit(credentials["instance_url"]).hostname or _PROVIDER
    new = NewConnection(
        account_id=current_principal().account_id,
        provider=_PROVIDER,
        name=name,
        config=with_organization(config, credentials),
        credentials=credentials,
    )
    with acting_member(deps) as (connection, note):
        made = add_salesforce_connection(connection, Keyring.from_settings(deps.settings), new, every=EVERY)
        note("connection.add", "connection", made.connection_id, provider=_PROVIDER)
    return show_connection(deps, made.connection_id, f"{name} is connected. The first reading begins at once.")


def _renew(deps: Deps, connection_id: int, config: dict[str, Any], credentials: dict[str, str]) -> Response:
    with acting_member(deps) as (connection, note):
        stored = read_connection(connection, connection_id)
        keep_to_own(stored.account_id, connection_id)
        keyring = Keyring.from_settings(deps.settings)
        earlier = stored.config if isinstance(stored.config, dict) else {}
        # The manager cannot open credentials. Which org they are for, the first sync puts into the settings.
        refuse_another(organization_of(earlier), connection_id, credentials)
        settings = with_organization(earlier | config, credentials)
        update_connection(connection, keyring, connection_id, config=settings, credentials=credentials)
        try_now(connection, connection_id)
        note("connection.sign_in", "connection", connection_id)
    return show_connection(deps, connection_id, "You have signed in anew; a sync begins now.")


def _turned_away(why: str) -> Response:
    flash(why, "bad")
    return redirect(url_for("account.connect_form"), 303)
