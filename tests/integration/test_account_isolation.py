"""What the server lets each kind of session see and do, whatever it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql as compose
from sqlalchemy import Table

from infra.postgres.account_database import AccountDatabase
from infra.postgres.ddl import metadata
from infra.postgres.ddl_access import CLOSED, seen_columns, seen_tables
from infra.postgres.logins import Login, ensure_logins
from infra.postgres.masking import MASKED, SHOWN, is_plain
from infra.principal import Mode, Principal
from tests.support.manager_database import logins_of
from tests.support.planted import canary, plant
from tests.support.principals import member, visitor

ACCOUNTS = (7, 8)
MAKERS: dict[Mode, Callable[[psycopg.Connection, int], Principal]] = {Mode.SELF: member, Mode.ASSUMED: visitor}


@pytest.fixture
def planted(sql: psycopg.Connection) -> psycopg.Connection:
    """Two accounts with a row in every table each."""
    for account_id in ACCOUNTS:
        plant(sql, account_id)
    return sql


@pytest.fixture
def accounts(database_url: str) -> Iterator[AccountDatabase]:
    with closing(AccountDatabase(logins_of(database_url), application_name="retinue-test")) as made:
        yield made


@pytest.fixture(params=list(Mode))
def principal(planted: psycopg.Connection, request: pytest.FixtureRequest) -> Principal:
    """Somebody who looks at the account 7, in each mode."""
    return MAKERS[request.param](planted, 7)


def everything(connection: psycopg.Connection) -> dict[str, list[str]]:
    """All rows of all tables, as text."""
    found = {}
    for table in seen_tables():
        query = compose.SQL("SELECT {} FROM {}").format(_columns(table), compose.Identifier(table.name))
        found[table.name] = [str(row) for row in connection.execute(query)]
    return found


def _columns(table: Table) -> compose.Composed:
    return compose.SQL(", ").join(compose.Identifier(column.name) for column in seen_columns(table))


def test_every_column_of_every_table_is_plain_or_declared() -> None:
    declared = {table: {*SHOWN.get(table, "").split(), *MASKED.get(table, {})} for table in {*SHOWN, *MASKED}}
    wanted = {
        table.name: {
            column.name
            for column in seen_columns(table)
            if not is_plain(column) or column.name in MASKED.get(table.name, {})
        }
        for table in seen_tables()
    }
    assert declared == {table: columns for table, columns in wanted.items() if columns}
    for table, kinds in MASKED.items():
        assert not kinds.keys() & set(SHOWN.get(table, "").split()), table


def test_a_table_without_a_policy_is_found(sql: psycopg.Connection) -> None:
    carrying = {table.name for table in metadata.sorted_tables if "account_id" in table.columns}
    guarded = {row[0] for row in sql.execute("SELECT DISTINCT tablename FROM pg_policies").fetchall()}
    assert guarded == carrying | {"accounts"}
    assert {table.name for table in seen_tables()} | CLOSED == guarded


def test_each_sees_its_own_account_in_every_table_and_nothing_of_another(
    accounts: AccountDatabase, principal: Principal
) -> None:
    with accounts.session(principal) as connection:
        found = everything(connection)

    assert {table for table, rows in found.items() if not rows} == set()
    assert "canary-8" not in str(found)


def test_a_member_sees_what_is_its_own_unmasked(accounts: AccountDatabase, planted: psycopg.Connection) -> None:
    with accounts.session(member(planted, 7)) as connection:
        seen = str(everything(connection))
    for table, kinds in MASKED.items():
        for column in kinds:
            of = metadata.tables[table].columns[column]
            if of.computed is None and of.type.python_type is not bytes and not is_plain(of):
                assert canary(7, table, column) in seen, (table, column)
    assert canary(7, "connections", "credentials") not in seen


def test_an_assumed_session_sees_no_canary_anywhere(accounts: AccountDatabase, planted: psycopg.Connection) -> None:
    with accounts.session(visitor(planted, 7)) as connection:
        seen = str(everything(connection))
    assert "canary" not in seen


#: What somebody would try who could run any SQL in the session.
ATTACKS = [
    "INSERT INTO echoes (job_id, attempt, message) VALUES (1, 1, 'x')",
    "INSERT INTO public.echoes (job_id, attempt, message) VALUES (1, 1, 'x')",
    "UPDATE connections SET state = 'active'",
    "UPDATE public.connections SET state = 'active'",
    "DELETE FROM public.mail_messages",
    "TRUNCATE public.mail_messages",
    "SELECT * FROM public.account_sessions",
    "SELECT * FROM public.people",
    "SELECT * FROM public.sessions",
    "SELECT credentials FROM connections",
    "SELECT credentials FROM public.connections",
    "SELECT password_hash FROM public.members",
    "SELECT id FROM public.job_history_default",
    "SELECT id FROM connections FOR UPDATE",
    "LOCK TABLE public.jobs",
    "COPY public.echoes FROM STDIN",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/stolen'",
    "SELECT nextval('public.jobs_id_seq')",
    "SELECT setval('public.jobs_id_seq', 1)",
    "CREATE TEMP TABLE kept (id int)",
    "CREATE TABLE kept (id int)",
    "CREATE TABLE masked.kept (id int)",
    "CREATE VIEW seen AS SELECT 1",
    "CREATE FUNCTION stolen() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA own",
    "SET ROLE retinue",
    "SET ROLE retinue_masks",
    "SET SESSION AUTHORIZATION retinue",
    "SET session_replication_role = replica",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT pg_advisory_lock(7218310047)",
    "SELECT pg_try_advisory_xact_lock(1)",
    "SELECT pg_notify('retinue_jobs', '')",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT public.tell_pages_of_servants()",
    "ALTER ROLE CURRENT_USER CREATEDB",
    "ALTER TABLE public.mail_messages DISABLE ROW LEVEL SECURITY",
    "DO $$ BEGIN UPDATE public.connections SET state = 'active'; END $$",
    "WITH gone AS (DELETE FROM public.contacts RETURNING 1) SELECT * FROM gone",
    "EXPLAIN ANALYZE DELETE FROM public.contacts",
]


@pytest.fixture(params=list(Mode))
def raw(planted: psycopg.Connection, database_url: str, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    """A session of each kind without any code of ours between, and free of what can be set."""
    mode = Mode(request.param)
    principal, login = MAKERS[mode](planted, 7), Login.MEMBER if mode is Mode.SELF else Login.SUPPORT
    with psycopg.connect(ensure_logins(database_url)[login], autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("SELECT set_config('retinue.principal', %s, false)", (principal.secret,))
        assert connection.execute("SELECT count(*) FROM contacts").fetchone() == (1,)
        yield connection


def test_raw_sql_writes_nothing_and_reaches_nothing_else(planted: psycopg.Connection, raw: psycopg.Connection) -> None:
    before = counts(planted)
    answers = {attack: answer_to(raw, attack) for attack in ATTACKS}
    assert [attack for attack, answer in answers.items() if answer is None] == []
    assert "canary" not in str(answers)
    assert counts(planted) == before


def answer_to(raw: psycopg.Connection, attack: str) -> str | None:
    """How the server refuses it; None where it does not."""
    try:
        raw.execute(attack.encode())
    except psycopg.Error as error:
        return str(error)
    return None


def counts(sql: psycopg.Connection) -> list[tuple[str, int]]:
    """How many rows each table holds, and large objects."""
    found = []
    for table in metadata.sorted_tables:
        query = compose.SQL("SELECT count(*) FROM {}").format(compose.Identifier(table.name))
        found.append((table.name, sql.execute(query).fetchall()[0][0]))
    return found


@pytest.mark.parametrize(
    "forged",
    [
        "SET search_path = public",
        "SELECT set_config('search_path', 'public', false)",
        "RESET ROLE",
        "RESET SESSION AUTHORIZATION",
        "SET row_security = off",
        "RESET ALL",
    ],
)
def test_what_a_session_may_set_shows_it_nothing_more(
    accounts: AccountDatabase, planted: psycopg.Connection, forged: str
) -> None:
    mine = visitor(planted, 7)
    with accounts.session(mine) as connection:
        connection.execute(forged.encode())
        for schema in ((), ("public",), ("masked",)):
            query = compose.SQL("SELECT subject FROM {}").format(compose.Identifier(*schema, "mail_messages"))
            try:
                with connection.transaction():
                    seen = str(connection.execute(query).fetchall())
            except psycopg.Error as error:
                seen = str(error)
            assert "canary" not in seen


def test_the_name_of_another_account_opens_nothing(accounts: AccountDatabase, planted: psycopg.Connection) -> None:
    other = member(planted, 8)
    for principal in (visitor(planted, 7), member(planted, 7)):
        for forged in ("8", "", "account:8", other.secret[:-1], "' OR true --"):
            with accounts.session(principal) as connection:
                connection.execute("SELECT set_config('retinue.principal', %s, true)", (forged,))
                assert connection.execute("SELECT id FROM contacts").fetchall() == []


def test_a_secret_opens_its_own_mode_alone(accounts: AccountDatabase, planted: psycopg.Connection) -> None:
    visit, own = visitor(planted, 7), member(planted, 7)
    for principal, secret in ((visit, own.secret), (own, visit.secret)):
        with accounts.session(principal) as connection:
            connection.execute("SELECT set_config('retinue.principal', %s, true)", (secret,))
            assert connection.execute("SELECT id FROM contacts").fetchall() == []


def test_what_is_over_sees_nothing_from_the_next_statement_on(
    accounts: AccountDatabase, planted: psycopg.Connection
) -> None:
    ends = {
        "UPDATE visits SET state = 'ended', ended_at = now() WHERE id = %(visit)s": visitor(planted, 7),
        "UPDATE visits SET began_at = began_at - interval '20 min', expires_at = now() WHERE id = %(visit)s": visitor(
            planted, 7
        ),
        "UPDATE members SET disabled_at = now() WHERE id = %(member)s": member(planted, 7),
        "UPDATE account_sessions SET expires_at = now() WHERE member_id = %(member)s": member(planted, 7),
        "DELETE FROM account_sessions WHERE member_id = %(member)s": member(planted, 7),
    }
    for end, principal in ends.items():
        with accounts.session(principal) as connection:
            assert connection.execute("SELECT count(*) FROM contacts").fetchone() == (1,)
            planted.execute(end.encode(), {"visit": principal.visit_id, "member": principal.id})
        with accounts.session(principal) as connection:
            assert connection.execute("SELECT count(*) FROM contacts").fetchone() == (0,), end


def test_a_visit_of_more_than_half_an_hour_is_refused(planted: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="visits_length"):
        visitor(planted, 7, minutes=30.1)


tables = st.sampled_from([table.name for table in seen_tables()])
readings = st.tuples(
    st.sampled_from([*ACCOUNTS]), st.sampled_from(list(Mode)), tables, st.integers(6990, 8010), st.booleans()
)


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.proof)])
def test_random_reads_return_nothing_of_the_other(
    accounts: AccountDatabase, planted: psycopg.Connection, count: int
) -> None:
    own = {(account, mode): maker(planted, account) for account in ACCOUNTS for mode, maker in MAKERS.items()}

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(readings)
    def read(reading: tuple[int, Mode, str, int, bool]) -> None:
        account, mode, table, wanted, by_id = reading
        columns = {column.name for column in seen_columns(metadata.tables[table])}
        key = "id" if "id" in columns and by_id else "account_id" if "account_id" in columns else "id"
        query = compose.SQL("SELECT {} FROM {} WHERE {} IN (%s, 7, 8, 7000, 8000)").format(
            _columns(metadata.tables[table]), compose.Identifier(table), compose.Identifier(key)
        )
        with accounts.session(own[account, mode]) as connection:
            rows = connection.execute(query, (wanted,)).fetchall()
        other = ACCOUNTS[1] if account == ACCOUNTS[0] else ACCOUNTS[0]
        assert len(rows) >= 1
        assert f"canary-{other}" not in str(rows)
        if mode is Mode.ASSUMED:
            assert "canary" not in str(rows)

    read()


def test_64_threads_over_8_connections_never_see_another(planted: psycopg.Connection, database_url: str) -> None:
    own = [maker(planted, account) for _ in range(16) for account in ACCOUNTS for maker in MAKERS.values()]
    query = "SELECT array_agg(DISTINCT account_id), current_setting('retinue.principal') FROM contacts"

    def look(principal: Principal) -> None:
        for turn in range(20):
            with pool.session(principal) as connection:
                seen = connection.execute(query).fetchone()
                assert seen == ([principal.account_id], principal.secret)
                if turn % 7 == 3:
                    # A request that fails half-way leaves nothing behind either.
                    connection.execute("SELECT set_config('retinue.principal', 'own', false)")
                    with pytest.raises(psycopg.Error):
                        connection.execute("SELECT 1 / 0")

    with closing(AccountDatabase(logins_of(database_url), application_name="t", max_connections=8)) as pool:
        with ThreadPoolExecutor(64) as threads:
            list(threads.map(look, own))
        for mode in Mode:
            nobody = Principal(mode, 7, "", 0, "", own[0].role, own[0].expires_at, "nobody's")
            with pool.session(nobody) as connection:
                assert connection.execute(query).fetchone() == (None, "nobody's")
