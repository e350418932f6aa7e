"""Roles that can log in, one for each kind of session, in this database alone.

Nothing keeps their passwords: every process that may open the owner's sessions derives them from the owner's password.
Whoever has only one of them cannot derive another, and changing the owner's password changes them all.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.postgres.catalogue import ACCOUNT_ROLE, ASSUMED_ROLE, OPERATOR_ROLE
from infra.postgres.connect import connect
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
    """Make the roles of this database that are missing; the address of each.

    Raises:
        ConfigurationError: the owner may make no roles, and one is missing; or the address has no password.
        DatabaseUnreachable
    """
    with connect(url, application_name="retinue-logins") as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_ROLES_LOCK,))
        database = connection.info.dbname
        try:
            for login in Login:
                _ensure(connection, login, database, _password(url, login))
                _let_in(connection, login, database)
            # Logins of another database are members of the same roles.
            connection.execute(_database("REVOKE ALL ON DATABASE {} FROM PUBLIC", database))
        except psycopg.errors.InsufficientPrivilege as error:
            raise ConfigurationError(
                f"The role {connection.info.user!r} may not make the roles that members and operators log in with "
                f"({', '.join(_name(login, database) for login in Login)}): {error.diag.message_primary}. "
                "Give it CREATEROLE, or run `retinue migrate` once as a role that has it."
            ) from error
    return {login: make_conninfo(url, user=_name(login, database), password=_password(url, login)) for login in Login}


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
