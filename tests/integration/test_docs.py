"""What the pages show, done: the first servant installed and run, jobs made, the database set up."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import psycopg
import pytest
from sqlalchemy import create_engine

from infra.postgres.bell import Bell
from infra.postgres.catalogue import share_functions
from infra.postgres.connect import Database, sqlalchemy_url
from infra.postgres.enqueue import enqueue
from infra.postgres.logins import Login, ensure_logins, login_names
from infra.postgres.migrate import migrate
from infra.secrets import Keyring, generate_key
from retinue.errors import ConfigurationError
from retinue.servant import load_servant
from scheduler.retain import Retain
from tests.support.assertions import history_of, row_of
from tests.support.docs import OPERATING, blocks, load, python_block
from tests.support.factories import add_account
from tests.support.postgres import DatabaseServer
from tests.support.runtime import House, open_house


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The first servant as pip leaves it: its module and its entry point."""
    (tmp_path / "acme_servants.py").write_text(python_block("class Invoice"))
    about = tmp_path / "acme_servants-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-servants\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[retinue.servants]\ninvoice.send = acme_servants:send_invoice\n")
    monkeypatch.syspath_prepend(tmp_path)
    load_servant.cache_clear()
    yield
    load_servant.cache_clear()
    sys.modules.pop("acme_servants", None)


@pytest.fixture
def documented(tmp_path: Path) -> Iterator[list[str]]:
    """Names of the modules made of blocks, forgotten at the end."""
    names: list[str] = []
    yield names
    for name in names:
        sys.modules.pop(name, None)


def module_of(mention: str, folder: Path, names: list[str]) -> ModuleType:
    names.append(f"documented_{len(names)}")
    return load(python_block(mention), folder, name=names[-1])


def test_the_first_servant_is_found_and_performs_its_job(installed: None, house: House) -> None:
    house.sql.execute("CREATE TABLE invoices (order_id int)")
    house.start(load_servant("invoice.send"))
    made = enqueue(house.sql, "invoice.send", {"order_id": 7})
    house.wait(made.id, "completed", "complete")
    assert history_of(house.sql, made.id, "result") == ({"order": 7},)
    assert house.sql.execute("SELECT order_id FROM invoices").fetchall() == [(7,)]


def test_the_long_job_goes_on_from_its_checkpoint(house: House, tmp_path: Path, documented: list[str]) -> None:
    house.sql.execute("CREATE TABLE imported (n int)")
    house.start(module_of("rows.import", tmp_path, documented).import_rows)
    (job,) = house.add({"rows": 250}, job_type="rows.import")
    house.sql.execute("""UPDATE jobs SET checkpoint = '{"next": 100}' WHERE id = %s""", (job,))
    house.wait(job, "completed", "complete")
    assert house.sql.execute("SELECT min(n), max(n), count(*) FROM imported").fetchall() == [(100, 249, 150)]


def test_jobs_are_made_in_a_session(
    installed: None, sql: psycopg.Connection, database_url: str, tmp_path: Path, documented: list[str]
) -> None:
    module = module_of("class Order", tmp_path, documented)
    engine = create_engine(sqlalchemy_url(database_url))
    module.Base.metadata.create_all(engine)
    job = module.place_order(engine)
    engine.dispose()
    order = sql.execute("SELECT id FROM orders").fetchall()[0][0]
    assert row_of(sql, job, "type, payload, unique_key") == ("invoice.send", {"order_id": order}, f"order-{order}")


def test_jobs_are_made_over_psycopg(
    installed: None, sql: psycopg.Connection, database_url: str, tmp_path: Path, documented: list[str]
) -> None:
    module = module_of("def invoice_all", tmp_path, documented)
    bell = Bell(database_url)
    assert module.invoice_all(database_url, bell, [1, 2, 2]) == 2
    assert module.invoice_all(database_url, bell, [2, 3]) == 1
    bell.close()
    assert sql.execute("SELECT count(*) FROM jobs").fetchone() == (3,)


def test_a_parked_connection_goes_on_once_it_is_mended(house: House, tmp_path: Path, documented: list[str]) -> None:
    account = add_account(house.sql)
    other = Keyring(generate_key())
    helpers = module_of("def connect_crm", tmp_path, documented)
    connection = helpers.connect_crm(house.sql, other, account, "t0ken")
    house.start(module_of("crm.sync", tmp_path, documented).sync)
    lane = f"connection_id:{connection}"
    (job,) = house.run({"connection_id": connection}, job_type="crm.sync", account_id=account, lane=lane)
    house.wait_for("EXISTS (SELECT FROM lane_holds WHERE lane = %s)", lane)
    assert helpers.mended(house.sql, connection) == ["crm.sync"]
    assert row_of(house.sql, job, "state") in [("pending",), ("queued",)]


@pytest.fixture
def documented_role(postgres: DatabaseServer) -> Iterator[str]:
    """The URL of a database as the page makes it, entered as its owner, beside another installation."""
    postgres.template_database(migrate)
    name = f"{postgres.name}_documented"
    with psycopg.connect(postgres.url, autocommit=True) as admin:
        role, database = blocks(OPERATING, "sql")[0].replace("retinue", name).splitlines()
        admin.execute(role.encode())
        # A superuser need not: he is every role already.
        admin.execute(f"GRANT {name} TO CURRENT_USER".encode())
        admin.execute(database.encode())
        admin.execute(blocks(OPERATING, "sql")[1].replace("TO retinue", f"TO {name}").encode())
        # Servers of tests let in one user alone: it becomes the documented one as soon as it is in.
        admin.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {name} SET role TO {name}".encode())
        # A production server lets everybody call them; here a superuser has closed them.
        with psycopg.connect(postgres.database_url(name)) as own:
            own.execute(b"SET ROLE NONE")
            own.execute(share_functions(name).encode())
        yield postgres.database_url(name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        for login in login_names(name):
            admin.execute(f"DROP ROLE IF EXISTS {login}".encode())
        admin.execute(f"DROP OWNED BY {name}".encode())
        admin.execute(f"DROP ROLE {name}".encode())


def test_the_documented_role_is_enough(documented_role: str, postgres: DatabaseServer) -> None:
    with psycopg.connect(documented_role) as connection:
        row = connection.execute("SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        assert row == (f"{postgres.name}_documented", False)
    assert migrate(documented_role)
    operator = ensure_logins(documented_role)[Login.OPERATOR]
    with psycopg.connect(postgres.url, autocommit=True) as admin:
        admin.execute(f"ALTER ROLE {postgres.name}_documented NOCREATEROLE".encode())
    database = Database(documented_role, application_name="tests")
    assert Retain(database, history_days=1).run_once().done > 0
    database.close()
    assert ensure_logins(documented_role)[Login.OPERATOR] == operator
    with psycopg.connect(operator) as connection:
        assert connection.execute("SELECT count(*) FROM job_history").fetchone() == (0,)
        connection.execute("SELECT pg_notify('retinue_due', '')")


def test_a_function_that_the_owner_may_not_pass_on_is_named(documented_role: str, postgres: DatabaseServer) -> None:
    migrate(documented_role)
    with psycopg.connect(documented_role) as own:
        own.execute(b"SET ROLE NONE")
        name = f"{postgres.name}_documented"
        own.execute(f"REVOKE GRANT OPTION FOR EXECUTE ON FUNCTION pg_notify(text, text) FROM {name}".encode())
    with pytest.raises(ConfigurationError, match=r"may not call PostgreSQL's pg_notify\(text, text\).* As a superuser"):
        ensure_logins(documented_role)
