"""An admin has an account erased: the manager's part of it."""

from __future__ import annotations

import psycopg
import pytest
from flask import Flask
from werkzeug.exceptions import Forbidden

from infra.postgres.accounts import add_account
from infra.postgres.connect import Database
from infra.postgres.erasure_orders import NameDiffers
from infra.queues.memory import MemoryQueues
from infra.roles import Role
from infra.settings import load_settings
from manager.deps import Deps
from manager.erasure import erase_account
from manager.live.hub import LiveHub
from manager.refusals import Refusals
from manager.remembered import Remembered
from manager.roles import User
from retinue.clock import SystemClock

ADMIN, OPERATOR = (User(None, role, role) for role in (Role.ADMIN, Role.OPERATOR))


@pytest.fixture
def deps(database: Database, database_url: str) -> Deps:
    settings, clock = load_settings(env_file=None, database_url=database_url), SystemClock()
    hub, refusals = LiveHub(database, clock), Refusals(settings, database, clock)
    return Deps(settings, database, MemoryQueues(), clock, hub, Remembered(clock), refusals)


def test_an_admin_who_types_the_name_may(deps: Deps, sql: psycopg.Connection) -> None:
    account_id = add_account(sql, "Ada").id
    with Flask(__name__).test_request_context(environ_base={"REMOTE_ADDR": "192.0.2.7"}):
        with pytest.raises(Forbidden):
            erase_account(deps, OPERATOR, account_id, typed_name="Ada", reason="x")
        with pytest.raises(NameDiffers):
            erase_account(deps, ADMIN, account_id, typed_name="Bo", reason="x")
        assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (0,)

        job = erase_account(deps, ADMIN, account_id, typed_name="Ada", reason="x")

    assert sql.execute("SELECT id FROM jobs").fetchall() == [(job,)]
    noted = sql.execute("SELECT actor_name, action, address FROM operator_actions").fetchall()
    assert noted == [("admin", "account.erase", "192.0.2.7")]
