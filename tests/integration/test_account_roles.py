"""Every route × members, admins and operators who have assumed an account: who gets where, and who changes what."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask, g
from flask.testing import FlaskClient

from infra.permissions import HOLDERS, Permission, operator_may, principal_may
from infra.postgres.connect import Database
from infra.principal import MemberRole, Principal
from infra.roles import Role
from tests.support.factories import add_account
from tests.support.manager_server import form_token, manager_app, signed_in
from tests.support.principals import enter, member, visitor
from tests.support.routes import Route, routes, without_effect


@pytest.fixture
def app(database: Database) -> Iterator[Flask]:
    made = manager_app(database)
    # What stands in for the views shows nothing.
    made.before_request(lambda: setattr(g, "shown", {}))
    yield made
    made.extensions["test_accounts"].close()


@pytest.fixture
def account(sql: psycopg.Connection) -> int:
    return add_account(sql)


def status(app: Flask, client: FlaskClient, route: Route, token: str) -> int:
    data = {"csrf_token": token} if route.method != "GET" else None
    return client.open(route.path(app, {}), method=route.method, data=data).status_code


def browser_of(app: Flask, principal: Principal) -> tuple[FlaskClient, str]:
    """A member's browser, and its forms' token."""
    client = enter(app.test_client(), principal)
    return client, token_of(client)


def token_of(client: FlaskClient) -> str:
    return form_token(client)


@pytest.mark.parametrize("role", MemberRole)
def test_members_get_to_what_their_role_has_and_to_nothing_of_the_installation(
    app: Flask, sql: psycopg.Connection, account: int, role: MemberRole
) -> None:
    client, token = browser_of(app, member(sql, account, role))
    without_effect(app)

    wrong = []
    for route in routes(app):
        if route.declared == "public":
            continue
        if route.for_members:
            holders = HOLDERS[Permission(str(route.declared))].member
            wanted = 200 if holders is not None and role.covers(holders) else 403
        else:
            wanted = 401 if route.for_programs else 302 if route.method == "GET" else 303
        found = status(app, client, route, token)
        if found != wanted:
            wrong.append(f"{route}: {found}, not {wanted}")
    assert wrong == []


def assumed(app: Flask, sql: psycopg.Connection, account: int) -> tuple[FlaskClient, str]:
    """The browser of an operator who has assumed the account."""
    client = signed_in(app, Role.OPERATOR)
    token = token_of(client)
    data = {"reason": "Their sync fails.", "csrf_token": token}
    assert client.post(f"/accounts/{account}/assume", data=data).headers["Location"] == "/account"
    return client, token


def test_who_has_assumed_an_account_looks_and_changes_nothing(
    app: Flask, sql: psycopg.Connection, account: int
) -> None:
    client, token = assumed(app, sql, account)
    without_effect(app)

    wrong = []
    for route in routes(app):
        if route.for_members:
            looks = route.method == "GET" and HOLDERS[Permission(str(route.declared))].assumed
            found = status(app, client, route, token)
            if found != (200 if looks else 403):
                wrong.append(f"{route}: {found}")
    assert wrong == []


def test_nothing_of_an_account_is_changed_without_the_form_s_token(
    app: Flask, sql: psycopg.Connection, account: int
) -> None:
    client, _ = browser_of(app, member(sql, account))
    without_effect(app)
    for route in routes(app):
        if route.for_members and route.method != "GET":
            for wrong in ("", "made up"):
                assert status(app, client, route, wrong) == 400, str(route)


def test_every_permission_has_holders_and_the_assumed_mode_has_nothing_that_changes() -> None:
    assert HOLDERS.keys() == set(Permission)
    assert [one for one, holders in HOLDERS.items() if holders.assumed] == [Permission.OWN_LOOK]
    for permission, holders in HOLDERS.items():
        held = [holders.role is not None, holders.member is not None, holders.everyone]
        assert held.count(True) == 1, permission


@pytest.mark.parametrize("permission", Permission)
def test_the_table_of_permissions(sql: psycopg.Connection, account: int, permission: Permission) -> None:
    wanted = {
        Permission.WORK_LOOK: "viewer operator admin",
        Permission.WORK_ACT: "operator admin",
        Permission.PEOPLE_RULE: "admin",
        Permission.ACCOUNT_ASSUME: "operator admin",
        Permission.ACCOUNT_UNMASK: "admin",
        Permission.ACCOUNT_ERASE: "admin",
        Permission.OWN_LOOK: "own member, own admin, visitor",
        Permission.OWN_SESSION: "own member, own admin",
        Permission.OWN_RULE: "own admin",
        Permission.KEYS_TURN: "admin",
        # For whoever holds the machine; nobody of the manager has it.
        Permission.MACHINE_RUN: "",
    }[permission]
    operators = [str(role) for role in Role if operator_may(role, permission)]
    own = [f"own {role}" for role in MemberRole if principal_may(member(sql, account, role), permission)]
    visits = ["visitor"] if principal_may(visitor(sql, account), permission) else []
    assert " ".join(operators) + ", ".join([*own, *visits]) == wanted


def test_a_visit_is_over_with_its_operators_session_and_role(app: Flask, sql: psycopg.Connection, account: int) -> None:
    for end in ("UPDATE people SET role = 'viewer'", "UPDATE people SET disabled_at = now()", "DELETE FROM sessions"):
        sql.execute("DELETE FROM visits")
        sql.execute("UPDATE people SET role = 'operator', disabled_at = NULL WHERE name LIKE 'a %'")
        client, _ = assumed(app, sql, account)
        assert client.get("/account").status_code == 200
        sql.execute(end.encode())
        assert client.get("/account").status_code == 303, end


def test_a_secret_of_a_visit_opens_nothing_without_its_operator(
    app: Flask, sql: psycopg.Connection, account: int
) -> None:
    visit = visitor(sql, account)
    for client in (app.test_client(), signed_in(app)):
        enter(client, visit)
        assert client.get("/account").status_code == 303
