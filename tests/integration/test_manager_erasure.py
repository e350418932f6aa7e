"""Erasing an account from its page."""

from __future__ import annotations

import psycopg
import pytest
from flask import Flask

from infra.postgres.accounts import add_account
from infra.postgres.connect import Database
from infra.roles import Role
from tests.support.manager_server import USER, form_token, manager_app, signed_in


@pytest.fixture
def app(database: Database) -> Flask:
    return manager_app(database)


def test_an_admin_who_types_the_name_may(app: Flask, sql: psycopg.Connection) -> None:
    account_id = add_account(sql, "Ada").id
    path, form = f"/accounts/{account_id}/erase", {"name": "Ada", "reason": "a letter"}
    operator, admin = signed_in(app, Role.OPERATOR), signed_in(app)
    assert operator.post(path, data={**form, "csrf_token": form_token(operator)}).status_code == 403
    token = {"csrf_token": form_token(admin)}
    for wrong in ({"name": "Bo"}, {"reason": " "}):
        assert admin.post(path, data={**form, **wrong, **token}).status_code == 400
    assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (0,)

    assert "Nothing brings it back" in admin.get(path).text
    answer = admin.post(path, data={**form, **token})

    ((job,),) = sql.execute("SELECT id FROM jobs").fetchall()
    assert answer.headers["Location"] == f"/jobs/{job}"
    noted = sql.execute("SELECT actor_name FROM operator_actions WHERE action = 'account.erase'").fetchall()
    assert noted == [(USER,)]
