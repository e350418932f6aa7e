"""Ending whatever a browser has sessions of: one may have somebody's of the installation and of an account."""

from __future__ import annotations

import psycopg
from flask import session

from infra.postgres import audit
from infra.postgres.principals import close_principal
from infra.postgres.sessions import close_session, find_session
from infra.postgres.visits import end_visits_of
from manager.account.principals import account_secret
from manager.audit import actor
from manager.deps import Deps
from manager.roles import User
from manager.sessions import session_secret


def close_sessions(deps: Deps, connection: psycopg.Connection) -> None:
    """End the sessions of both secrets, in the caller's transaction; the cookie forgets them.

    Somebody of the installation leaves with it whatever account they have assumed.
    """
    of_account, own = account_secret(), session_secret()
    if of_account is not None:
        close_principal(connection, of_account)
    if own is not None:
        _sign_out(connection, own)
        deps.remembered.set(own, None)
    session.clear()


def _sign_out(connection: psycopg.Connection, secret: str) -> None:
    found = find_session(connection, secret)
    if not close_session(connection, secret) or found is None:
        return
    end_visits_of(connection, person_id=found.person_id)
    who = User(found.person_id, found.name, found.role)
    act = audit.Act("person.sign_out", "person", who.id, detail={"name": who.name, "sessions": 1})
    audit.note(connection, actor(who), act)
