"""Every answer of an assumed session has its entry in the audit, whenever the manager is killed."""

from __future__ import annotations

import os
import random
import re
import threading
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest

from infra.passwords import hash_password
from infra.postgres import people
from infra.postgres.audit_chain import verify
from infra.roles import Role
from tests.support.manager_process import manager_process
from tests.support.manager_server import PASSWORD, token_in
from tests.support.planted import plant, shared_id

#: How often a manager is killed.
KILLS = int(os.environ.get("KILLS", "60"))
SEED = int(os.environ.get("SEED", "1"))

PATHS = ("/account", "/account/people", f"/account/people/{shared_id(7)}", "/account/opportunities", "/account/visits")


class Operator:
    """Somebody with a browser who has assumed the account 7."""

    def __init__(self, address: str) -> None:
        self.host = address.removeprefix("http://")
        self.cookie = ""
        page = self.ask("GET", "/sign-in")
        self.ask("POST", "/sign-in", {"user": "grace", "password": PASSWORD, "csrf_token": token_in(page)})
        form = self.ask("GET", "/accounts/7/assume")
        if "Go on there" in form:
            begin = re.search(r'action="(/visits/\d+/begin)"', form)
            assert begin is not None
            self.ask("POST", begin[1], {"csrf_token": token_in(form)})
        else:
            self.ask("POST", "/accounts/7/assume", {"reason": "Their sync fails.", "csrf_token": token_in(form)})

    def ask(self, method: str, path: str, form: dict[str, str] | None = None, *, name: str = "any") -> str:
        """The whole answer to the request of this name. Raises HTTPException or OSError where it does not come."""
        connection = HTTPConnection(self.host, timeout=20)
        headers = {"Cookie": self.cookie, "Content-Type": "application/x-www-form-urlencoded", "X-Request-ID": name}
        try:
            connection.request(method, path, urlencode(form) if form else None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        assert answer.status in (200, 303), (path, answer.status, text[:300])
        if cookie := answer.headers["Set-Cookie"]:
            self.cookie = cookie.partition(";")[0]
        return text


@pytest.fixture
def planted(sql: psycopg.Connection) -> psycopg.Connection:
    plant(sql, 7)
    people.add_person(sql, "grace", Role.OPERATOR, password_hash=hash_password(PASSWORD, name="grace"))
    return sql


def read_until_killed(operator: Operator, answered: set[str], prefix: str) -> None:
    """Read pages, each told from all others by its request's ID, until no answer comes."""
    for number in range(100_000):
        name = f"{prefix}-{number}"
        try:
            operator.ask("GET", PATHS[number % len(PATHS)], name=name)
        except (HTTPException, OSError):
            return
        answered.add(name)


def kill_once(database_url: str, log: Path, chance: random.Random, prefix: str) -> set[str]:
    """A manager that is killed while three browsers read; what was answered in full."""
    answered: set[str] = set()
    with log.open("a") as lines, manager_process(database_url, log=lines) as (process, address):
        operator = Operator(address)
        readers = [
            threading.Thread(target=read_until_killed, args=(operator, answered, f"{prefix}-{reader}"))
            for reader in range(3)
        ]
        for reader in readers:
            reader.start()
        least = chance.randrange(5, 60)
        while len(answered) < least and any(reader.is_alive() for reader in readers):
            readers[0].join(0.01)
        process.kill()
        for reader in readers:
            reader.join()
    return answered


def entries(sql: psycopg.Connection) -> set[str]:
    found = sql.execute("SELECT request_id FROM operator_actions WHERE action = 'account.read'")
    return {row[0] for row in found}


@pytest.mark.parametrize("kills", [2, pytest.param(KILLS, marks=[pytest.mark.proof, pytest.mark.timeout(1800)])])
@pytest.mark.timeout(240)
def test_no_answer_without_an_entry_whenever_the_manager_is_killed(
    planted: psycopg.Connection, database_url: str, tmp_path: Path, kills: int
) -> None:
    chance, answered = random.Random(SEED), set[str]()  # noqa: S311 - a play that can be played again
    for number in range(kills):
        answered |= kill_once(database_url, tmp_path / "log", chance, str(number))
    assert len(answered) >= 5 * kills
    assert answered <= entries(planted)
    assert verify(planted).broken is None
    assert "canary" not in (tmp_path / "log").read_text()
