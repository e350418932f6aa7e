"""Whole pages of an account, asked of the manager's application as a member and as who has assumed it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import psycopg
from flask.testing import FlaskClient

from tests.support.large_account import LargeAccount
from tests.support.manager_database import OwnerDatabase
from tests.support.manager_server import form_token, manager_app, signed_in
from tests.support.principals import enter, member


def paths(account: LargeAccount, dice: Random) -> dict[str, str]:
    """The address of each page, of something any."""
    share = account.rows // 100
    return {
        "connections": "/account",
        "connection": f"/account/connections/{account.mail}",
        "people": "/account/people",
        "people by name": "/account/people?order=name",
        "person": f"/account/people/{dice.choice(account.people[:5000])}",
        "the busiest person": f"/account/people/{account.people[0]}",
        "opportunities": "/account/opportunities",
        "opportunities by close date": "/account/opportunities?order=close",
        "opportunity": f"/account/opportunities/{account.org}/Opportunity{dice.randrange(15 * share)}",
        "contacts": "/account/contacts",
        "contact": f"/account/contacts/{account.org}/Contact{dice.randrange(10 * share)}",
        "search": f"/account/search?q={dice.choice(('renewal zebra', 'harb', 'person1', '7', 'renewal'))}",
        "members": "/account/members",
        "visits": "/account/visits",
    }


@contextmanager
def browsers(url: str, account: LargeAccount) -> Iterator[dict[str, FlaskClient]]:
    """One of a member, one of an operator who has assumed the account."""
    database = OwnerDatabase(url, application_name="retinue-manager", max_connections=4)
    app = manager_app(database)
    own, operator = app.test_client(), signed_in(app)
    with psycopg.connect(url, autocommit=True) as sql:
        enter(own, member(sql, account.account_id))
    form = {"reason": "to measure it", "csrf_token": form_token(operator)}
    assert operator.post(f"/accounts/{account.account_id}/assume", data=form).headers["Location"] == "/account"
    yield {"member": own, "assumed": operator}
    app.extensions["test_accounts"].close()
    database.close()


def timed(ask: Callable[[], object]) -> float:
    """How long it takes, in seconds."""
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def open_page(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
