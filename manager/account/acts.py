"""The transaction in which somebody of an account changes something of it and writes down that they do, and what
comes after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol

import psycopg
from flask import flash, redirect, url_for
from werkzeug.wrappers import Response

from infra.postgres import audit
from manager.account.principals import current_principal, user_of
from manager.audit import actor
from manager.deps import Deps
from retinue.errors import NotFound

#: How often what is connected here is synced.
EVERY = timedelta(minutes=1)


class Note(Protocol):
    """Writes down what is done: `note("member.invite", "member", 7, role="admin")`."""

    def __call__(self, action: str, target_kind: str, target_id: str | int | None, **detail: Any) -> None: ...


@contextmanager
def acting_member(deps: Deps) -> Iterator[tuple[psycopg.Connection, Note]]:
    """The manager's own session, which sees all accounts: what is changed in it must be of the principal's, as every
    statement says.
    """
    principal = current_principal()
    with deps.database.transaction() as connection:

        def note(action: str, target_kind: str, target_id: str | int | None, **detail: Any) -> None:
            act = audit.Act(action, target_kind, target_id, principal.account_id, detail)
            audit.note(connection, actor(user_of(principal)), act)

        yield connection, note


def show_connection(deps: Deps, connection_id: int, sentence: str) -> Response:
    """Its page, with the sentence on it; what is due there begins at once."""
    ring(deps)
    flash(sentence, "good")
    return redirect(url_for("account.connection", connection_id=connection_id), 303)


def ring(deps: Deps) -> None:
    """Have the schedulers look at once; they do so by themselves before long."""
    try:
        deps.database.fetch("ring_bell")
    except psycopg.Error:
        return


def keep_to_own(account_id: int, connection_id: int) -> None:
    """Let nobody act on a connection of another account.

    Raises:
        NotFound: this is one, of the account with this ID.
    """
    if account_id != current_principal().account_id:
        raise NotFound(f"There is no connection {connection_id} in this account.")
