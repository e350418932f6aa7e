"""Roles that can log in, one for each kind of session, in this database alone.

Nothing keeps their passwords: every process that may open the owner's sessions derives them from the owner's password.
Whoever has only one of them cannot derive another, and changing the owner's password changes them all.
"""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from enum import StrEnum

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from infra.postgres.catalogue import ACCOUNT_ROLE, ASSUMED_ROLE, OPERATOR_ROLE
from infra.postgres.connect import DatabaseUnreachable, connect
from infra.postgres.operator_grants import CATALOGUE_FUNCTIONS
from infra.postgres.revision import require_head
from infra.postgres.statements import statement
from retinue.errors import ConfigurationError

#: Serialises the making of roles, which are the whole server's: two at once would stop each other.
_ROLES_LOCK = 7_218_310_048

#: PostgreSQL cuts longer names.
_MAX_NAME_BYTES = 63

#: A statement of somebody who looks at a page takes no longer, in milliseconds.
STATEMENT_TIMEOUT = 15_000


class Login(StrEnum):
    """Who logs in."""

    OPERATOR = "operator"
    MEMBER = "member"
    SUPPORT = "support"


_ROLE_OF = {Login.OPERATOR: OPERATOR_ROLE, Login.MEMBER: ACCOUNT_ROLE, Login.SUPPORT: ASSUMED_ROLE}

#: The first of these schemas that has a table of a name is the one that a statement means.
SEARCH_PATHS = {Login.OPERATOR: "public", Login.MEMBER: "public", Login.SUPPORT: "masked"}


def ensure_logins(url: str) -> dict[Login, str]:
    """The address of each role, once all are there: those of this database that are missing are made, by its owner.

    Raises:
        ConfigurationError: the owner may make no roles, and one is missing; or the address has no password.
        SchemaMismatch: one is missing, and so is a migration.
        DatabaseUnreachable
    """
    database = _database_of(url)
    urls = {login: make_conninfo(url, user=_name(login, database), password=_password(url, login)) for login in Login}
    if not _work(urls[Login.OPERATOR], database):
        _make(url)
    return urls


def _database_of(url: str) -> str:
    """The database's name, which libpq also takes from the environment or from the user's."""
    given = {option.keyword.decode(): option.val for option in Conninfo.get_defaults()}
    usual = given["dbname"].decode() if given["dbname"] else None
    own = conninfo_to_dict(url)
    return str(own.get("dbname") or usual or own.get("user"))


def login_names(database: str) -> list[str]:
    """The roles of a database of this name."""
    return [_name(login, database) for login in Login]


def has_password(url: str) -> bool:
    """Whether passwords can be made from that of this address."""
    return bool(conninfo_to_dict(url).get("password"))


def _work(operator_url: str, database: str) -> bool:
    """Whether all are there as they were made, with their passwords: they get them together.

    So a process that starts writes nothing, and its role need not be one that may.
    """
    names = {login: _name(login, database) for login in Login}
    wanted = {
        "names": [*names.values()],
        "functions": list(CATALOGUE_FUNCTIONS),
        "settings": sorted(
            f"{names[login]} {key}={value}" for login in Login for key, value in _settings(login).items()
        ),
    }
    try:
        with connect(operator_url, application_name="retinue-logins") as connection:
            row = connection.execute(statement("have_logins"), wanted).fetchone()
    except (DatabaseUnreachable, psycopg.Error):
        # Whether it is the server that is away, the owner finds out.
        return False
    return row == (True,)


def _make(url: str) -> None:
    with connect(url, application_name="retinue-logins") as connection:
        # The migrations make the roles that these are members of.
        require_head(connection)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_ROLES_LOCK,))
        database = connection.info.dbname
        try:
            for login in Login:
                _ensure(connection, login, database, _password(url, login))
                _let_in(connection, login, database)
            _share_functions(connection)
            # Logins of another database are members of the same roles.
            connection.execute(_database("REVOKE ALL ON DATABASE {} FROM PUBLIC", database))
        except psycopg.errors.InsufficientPrivilege as error:
            raise ConfigurationError(
                f"The role {connection.info.user!r} may not make the roles that members and operators log in with "
                f"({', '.join(login_names(database))}): {error.diag.message_primary}. "
                "Give it CREATEROLE, or run `retinue migrate` once as a role that has it."
            ) from error


def _share_functions(connection: psycopg.Connection) -> None:
    """Let the manager call what it calls, also where that was taken from everybody."""
    for function in CATALOGUE_FUNCTIONS:
        grant = f"GRANT EXECUTE ON FUNCTION {function} TO {OPERATOR_ROLE}"
        # Whether that could be granted, or need not be, is looked at below.
        with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(grant.encode())
        row = connection.execute(
            "SELECT has_function_privilege(%s, %s, 'EXECUTE')", (OPERATOR_ROLE, function)
        ).fetchone()
        if row != (True,):
            raise ConfigurationError(
                f"The manager's role may not call PostgreSQL's {function}, which was closed to everybody, and "
                f"{connection.info.user!r} may not pass it on. As a superuser, in this database: {grant}"
            )


def _ensure(connection: psycopg.Connection, login: Login, database: str, password: str) -> None:
    name = _name(login, database)
    # What is sent, and perhaps logged, is no password.
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    verb = "ALTER ROLE {} LOGIN" if found is not None else "CREATE ROLE {} LOGIN INHERIT"
    connection.execute(_role(f"{verb} PASSWORD {{}}", name, sql.Literal(verifier)))
    if found is None:
        connection.execute(_role("GRANT {1} TO {0}", name, sql.Identifier(_ROLE_OF[login])))
        # The owner may end its sessions.
        connection.execute(_role("GRANT {} TO CURRENT_USER", name))


def _let_in(connection: psycopg.Connection, login: Login, database: str) -> None:
    """Let it into this database, with these settings: a role may change its own, and nothing keeps it from that."""
    name = _name(login, database)
    connection.execute(_role("GRANT CONNECT ON DATABASE {1} TO {0}", name, sql.Identifier(database)))
    connection.execute(_role("ALTER ROLE {} RESET ALL", name))
    connection.execute(_role("ALTER ROLE {} IN DATABASE {} RESET ALL", name, sql.Identifier(database)))
    for setting, value in _settings(login).items():
        connection.execute(_role(f"ALTER ROLE {{}} SET {setting} = {{}}", name, sql.Literal(value)))


def _settings(login: Login) -> dict[str, str]:
    settings = {"search_path": SEARCH_PATHS[login]}
    if login is Login.OPERATOR:
        return settings
    # No bound of its own: nothing is granted that could be written. It says so sooner.
    return settings | {"default_transaction_read_only": "on", "statement_timeout": str(STATEMENT_TIMEOUT)}


def _password(url: str, login: Login) -> str:
    own = conninfo_to_dict(url).get("password")
    if not own:
        raise ConfigurationError(
            "RETINUE_DATABASE_URL has no password, from which those of the roles for members and operators are made. "
            "Give its role one, also where the server asks for none."
        )
    return hmac.digest(str(own).encode(), f"retinue login:{login}".encode(), hashlib.sha256).hex()


def _name(login: Login, database: str) -> str:
    """`retinue_member_of_NAME`; a name that would be too long is told by its hash."""
    name = f"retinue_{login}_of_{database}"
    if len(name.encode()) <= _MAX_NAME_BYTES:
        return name
    return f"retinue_{login}_of_{hashlib.sha256(database.encode()).hexdigest()[:24]}"


def _role(statement: str, name: str, *rest: sql.Composable) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(name), *rest)


def _database(statement: str, name: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(name))
