"""The transaction in which somebody of an account changes something of it, and writes down that they do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import psycopg

from infra.postgres import audit
from manager.account.principals import current_principal, user_of
from manager.audit import actor
from manager.deps import Deps


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
