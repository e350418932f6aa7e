"""How admins of an account connect a mailbox or a calendar, mend one whose sign-in is refused, and disconnect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from flask import Blueprint, flash, make_response, redirect, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from infra.hosts import Reach, leads_inside
from infra.permissions import Permission
from infra.postgres.account_view.connections import view_connection
from infra.postgres.calendar_connections import add_caldav_connection
from infra.postgres.connection_actions import try_now
from infra.postgres.connections import NewConnection, read_connection, update_connection
from infra.postgres.mail_connections import add_imap_connection
from infra.postgres.removal_orders import order_removal
from infra.secrets import Keyring
from manager.account.acts import EVERY, acting_member, keep_to_own, ring, show_connection
from manager.account.principals import current_principal
from manager.account.salesforce import add_salesforce, offered
from manager.account.shown import account_page
from manager.deps import Deps
from manager.roles import requires
from retinue.errors import NotAllowed

_TLS = ("tls", "starttls")

#: Providers that a password signs in to.
_BY_PASSWORD = ("imap", "caldav")


def add_connecting(blueprint: Blueprint, deps: Deps) -> None:
    """The forms, and what they do."""

    @blueprint.get("/connect")
    @requires(Permission.OWN_RULE)
    def connect_form() -> str:
        return _form(deps)

    @blueprint.post("/connect/imap")
    @requires(Permission.OWN_RULE)
    def connect_imap() -> Response:
        return _connected(deps, "imap", _connect_imap)

    @blueprint.post("/connect/caldav")
    @requires(Permission.OWN_RULE)
    def connect_caldav() -> Response:
        return _connected(deps, "caldav", _connect_caldav)

    add_salesforce(blueprint, deps)
    _add_disconnecting(blueprint, deps)

    @blueprint.post("/connections/<int:connection_id>/password")
    @requires(Permission.OWN_RULE)
    def enter_password(connection_id: int) -> Response:
        credentials = {"password": _password()}
        with acting_member(deps) as (connection, note):
            stored = read_connection(connection, connection_id)
            keep_to_own(stored.account_id, connection_id)
            _keep_to_passwords(stored.provider)
            keyring = Keyring.from_settings(deps.settings)
            update_connection(connection, keyring, connection_id, config=stored.config, credentials=credentials)
            try_now(connection, connection_id)
            note("connection.password", "connection", connection_id)
        return show_connection(deps, connection_id, "The password is kept, and tried with a sync that begins now.")


def _add_disconnecting(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.get("/connections/<int:connection_id>/disconnect")
    @requires(Permission.OWN_RULE)
    def confirm_disconnect(connection_id: int) -> str:
        principal = current_principal()
        with deps.accounts.session(principal) as bound:
            found = view_connection(bound, principal.account_id, connection_id)
        return account_page("account/disconnect.html", shown={"connection": [connection_id]}, line=found.connection)

    @blueprint.post("/connections/<int:connection_id>/disconnect")
    @requires(Permission.OWN_RULE)
    def disconnect(connection_id: int) -> Response:
        with acting_member(deps) as (connection, note):
            keyring = Keyring.from_settings(deps.settings)
            job = order_removal(connection, keyring, current_principal().account_id, connection_id)
            note("connection.remove", "connection", connection_id, job=job)
        ring(deps)
        flash("It is disconnected. What came over it is being deleted.", "good")
        return redirect(url_for("account.connections"), 303)


def _connected(deps: Deps, provider: str, connect: Callable[[Deps], Response]) -> Response:
    """What becomes of the form; where it cannot be used the form again, as it was filled in."""
    try:
        return connect(deps)
    except BadRequest as refusal:
        return make_response(_form(deps, provider, refusal.description), 400)


def _form(deps: Deps, provider: str = "", problem: str | None = None) -> str:
    written = {name: value for name, value in request.form.items() if name != "password"}
    values = {"at": provider, "problem": problem, "written": written}
    return account_page("account/connect.html", shown={}, **values, **offered(deps))


def _connect_imap(deps: Deps) -> Response:
    user = _text("username")
    host = _text("host")
    config: dict[str, Any] = {"host": host, "tls": _tls(), "username": user} | _reach(deps, host)
    if request.form.get("port", "").strip():
        config["port"] = _port()
    return _connect(deps, add_imap_connection, "imap", user, config)


def _connect_caldav(deps: Deps) -> Response:
    url = _text("url")
    host = _host_of(url)
    config = {"url": url, "username": _text("username")} | _reach(deps, host)
    return _connect(deps, add_caldav_connection, "caldav", host, config)


def _connect(deps: Deps, add: Any, provider: str, name: str, config: dict[str, Any]) -> Response:
    new = NewConnection(
        account_id=current_principal().account_id,
        provider=provider,
        name=name,
        config=config,
        credentials={"password": _password()},
    )
    with acting_member(deps) as (connection, note):
        made = add(connection, Keyring.from_settings(deps.settings), new, every=EVERY)
        note("connection.add", "connection", made.connection_id, provider=provider)
    return show_connection(deps, made.connection_id, f"{name} is connected. The first reading begins at once.")


def _reach(deps: Deps, host: str) -> dict[str, str]:
    """What keeps servants to public servers; where it can be told already that this is none, it is refused."""
    if deps.settings.account_servers == Reach.ANY.value:
        return {}
    if leads_inside(host):
        raise BadRequest(
            f"{host} is not reached from the internet. Give the server's public name, or ask whoever runs this "
            "installation to connect it."
        )
    return {"reach": Reach.PUBLIC.value}


def _keep_to_passwords(provider: str) -> None:
    """What signs in otherwise would lose what it signs in with."""
    if provider not in _BY_PASSWORD:
        raise NotAllowed(f"A connection to {provider} has no password: it is signed in to anew.")


def _text(name: str) -> str:
    text = request.form.get(name, "").strip()
    if not text or len(text) > 500 or not text.isprintable():
        raise BadRequest(f"The field {name} is empty or cannot be used.")
    return text


def _host_of(url: str) -> str:
    """What the address of a calendar server names. It is shown to people, so it carries no password."""
    parts = _parts(url)
    if parts is None or parts.scheme not in ("https", "http") or parts.hostname is None:
        raise BadRequest("The address of a calendar server begins with https://.")
    if "@" in parts.netloc:
        raise BadRequest(
            "The address of a calendar server holds no user and no password: they have fields of their own."
        )
    return parts.hostname


def _parts(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _password() -> str:
    password = request.form.get("password", "")
    if not password:
        raise BadRequest("There is no password.")
    return password


def _tls() -> str:
    tls = request.form.get("tls", "tls")
    if tls not in _TLS:
        raise BadRequest("Mail is read over TLS, from the beginning or by STARTTLS.")
    return tls


def _port() -> int:
    text = request.form["port"].strip()
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:6]) < 65_536):
        raise BadRequest("A port is a number from 1 to 65535.")
    return int(text)
