"""Every route × every role: each view says who may use it, and nobody else gets to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from infra.permissions import Permission
from infra.postgres.api_tokens import add_token
from infra.postgres.connect import Database
from infra.roles import Role
from tests.support.manager_server import PASSWORD, USER, form_token, manager_app, signed_in
from tests.support.overview_rows import add_account
from tests.support.routes import Route, routes, without_effect

#: What strangers may see: the way in, what a page is made of, and what load balancers ask.
PUBLIC = {
    "account.join",
    "account.forgotten",
    "account.forgotten_form",
    "account.join_form",
    "account.sign_in",
    "account.sign_in_form",
    "static",
    "assets.file",
    "auth.sign_in",
    "auth.sign_in_form",
    "health.process",
    "health.readiness",
    "oidc.back",
    "oidc.start",
}

#: Whose pages and actions are for admins.
FOR_ADMINS = {"account_members", "erasure", "people", "tokens"}

#: What everybody who has signed in may change: what is theirs alone.
OWN = {"auth.sign_out", "preferences.theme", "you.end_others", "you.end_session", "you.password"}


def expected(route: Route) -> Role | str:
    """Who should be let in: told apart from what the views declare."""
    if route.endpoint in PUBLIC:
        return "public"
    resource = route.rule.endpoint.partition(".")[0]
    if resource in FOR_ADMINS:
        return Role.ADMIN
    if resource == "account":
        return expected_of_members(route)
    if resource == "visits":
        return Role.ADMIN if "unmask" in route.endpoint else Role.OPERATOR
    looks_only = route.method == "GET" or route.endpoint in OWN
    return Role.VIEWER if looks_only else Role.OPERATOR


def expected_of_members(route: Route) -> str:
    """What the people of an account need."""
    if route.endpoint == "account.sign_out":
        return Permission.OWN_SESSION
    forms = ("account.connect_form", "account.confirm_disconnect")
    # To Salesforce, which sends the browser back.
    is_form = route.endpoint in forms or "_salesforce" in route.endpoint
    return Permission.OWN_LOOK if route.method == "GET" and not is_form else Permission.OWN_RULE


@pytest.fixture
def app(database: Database) -> Flask:
    return manager_app(database, oidc_issuer="https://id.example.com", oidc_client_id="retinue")


def test_every_route_declares_who_may_use_it_and_it_is_who_should(app: Flask) -> None:
    posted = {route.rule.rule for route in routes(app) if route.method == "POST"}
    wrong = [
        f"{route} declares {route.declared}, not {expected(route)}"
        for route in routes(app)
        if route.declared != expected(route) and not _asks_before_an_action(route, posted)
    ]

    assert wrong == []
    assert len(list(routes(app))) > 100


def _asks_before_an_action(route: Route, posted: set[str]) -> bool:
    """A form or a question that comes before an action may ask for what the action does."""
    comes_before = route.rule.rule in posted or route.rule.rule.endswith(("/confirm", "/edit", "/new"))
    return route.method == "GET" and route.declared is Role.OPERATOR and comes_before


Ask = Callable[[Route], int]


def status_of(app: Flask, client: FlaskClient, token: str) -> Ask:
    def ask(route: Route) -> int:
        data = {"csrf_token": token} if route.method != "GET" else None
        return client.open(route.path(app, {}), method=route.method, data=data).status_code

    return ask


def test_every_role_gets_to_what_it_may_and_to_nothing_else(app: Flask) -> None:
    clients = {role: signed_in(app, role) for role in Role}
    asks = {role: status_of(app, client, form_token(client)) for role, client in clients.items()}
    without_effect(app)

    wrong = []
    for route in routes(app):
        declared = route.declared
        for role, ask in asks.items():
            allowed = declared == "public" or (isinstance(declared, Role) and role.covers(declared))
            if ask(route) != (200 if allowed else 303 if route.for_members else 403):
                wrong.append(f"{route} for {role}: {ask(route)}")

    assert wrong == []


def test_a_stranger_gets_to_what_is_public_and_is_sent_to_the_sign_in_otherwise(app: Flask) -> None:
    client = app.test_client()
    ask = status_of(app, client, form_token(client))
    without_effect(app)

    for route in routes(app):
        is_page = route.method == "GET" and not route.for_members
        sent_away = 401 if route.for_programs else 302 if is_page else 303
        assert ask(route) == (200 if route.declared == "public" else sent_away), str(route)


def test_nothing_is_changed_without_the_form_s_token(app: Flask) -> None:
    client = signed_in(app)
    form_token(client)
    without_effect(app)

    changing = [route for route in routes(app) if route.method != "GET" and not route.for_members]
    assert len(changing) > 5
    for route in changing:
        for wrong in ("", "made up"):
            assert status_of(app, client, wrong)(route) == 400, str(route)


def bearer(app: Flask, database: Database, role: Role, account_id: int | None = None) -> Ask:
    with database.transaction() as connection:
        _, secret = add_token(connection, "a program", role, created_by="a test", account_id=account_id)
    client = app.test_client()
    headers = {"Authorization": f"Bearer {secret}"}
    return lambda route: client.open(route.path(app, {}), method=route.method, headers=headers).status_code


def test_a_token_gets_to_what_programs_use_by_its_role_and_needs_no_form(app: Flask, database: Database) -> None:
    asks = {role: bearer(app, database, role) for role in Role}
    without_effect(app)

    for route in routes(app):
        if not route.for_programs:
            continue
        for role, ask in asks.items():
            declared = route.declared
            allowed = declared == "public" or (isinstance(declared, Role) and role.covers(declared))
            assert ask(route) == (200 if allowed else 403), f"{route} for a token of the role {role}"


def test_a_token_opens_no_page(app: Flask, database: Database) -> None:
    ask = bearer(app, database, Role.ADMIN)
    without_effect(app)

    pages = [route for route in routes(app) if not route.for_programs and route.declared != "public"]
    assert {ask(route) for route in pages} == {302, 303}


def test_a_token_of_one_account_gets_only_to_what_keeps_to_it(app: Flask, database: Database) -> None:
    with database.transaction() as connection:
        account = add_account(connection, "Northwind")
    ask = bearer(app, database, Role.OPERATOR, account)
    without_effect(app)

    for route in routes(app):
        if route.for_programs and isinstance(route.declared, Role):
            keeps_to_it = getattr(route.view, "keeps_to_one_account", False) and Role.OPERATOR.covers(route.declared)
            assert ask(route) == (200 if keeps_to_it else 403), str(route)


def test_a_name_and_password_read_for_programs_and_change_nothing(app: Flask) -> None:
    client = app.test_client()
    without_effect(app)

    for route in routes(app):
        if route.for_programs:
            status = client.open(route.path(app, {}), method=route.method, auth=(USER, PASSWORD)).status_code
            assert status == (200 if route.method == "GET" or route.declared == "public" else 403), str(route)


def test_a_view_that_declares_nothing_is_closed(app: Flask) -> None:
    app.add_url_rule("/forgotten", view_func=lambda: "open")

    answer = signed_in(app).get("/forgotten")

    assert (answer.status_code, "Nobody has declared" in answer.text) == (403, True)
