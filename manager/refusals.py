"""Writing down what was refused: to sign in, and to act without the role for it.

Rows of the audit are never taken out, so whoever is refused again and again must not fill it: after some rows comes one
a minute, which says how many it stands for. All who sign in wrongly count together: names and addresses cost nothing.
"""

from __future__ import annotations

import threading
from collections import Counter

import psycopg
from flask import request

from infra.postgres import audit, people
from infra.postgres.connect import Database
from infra.roles import Role
from infra.settings import Settings
from manager.audit import actor
from manager.roles import User
from manager.throttle import Throttle
from retinue.clock import Clock

#: Refusals written down one by one, before they are gathered.
FREE_ROWS = 20

_STRANGER = User(None, "unknown", Role.VIEWER)


class Refusals:
    """Gathers refusals in this process, and writes them down."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._first_admin = settings.manager_user
        self._database = database
        self._throttle = Throttle(clock, free_failures=FREE_ROWS)
        self._lock = threading.Lock()
        self._gathered = Counter[str]()

    def note_sign_in(self, name: str, *, by: str) -> None:
        """Somebody did not get in by this name, which is kept only if somebody has it: it may be a password."""
        attempts = self._due("sign-in")
        if attempts:
            with self._database.transaction() as connection:
                person_id, known = self._known(connection, name)
                detail = {"name": known, "by": by, "attempts": attempts}
                act = audit.Act("person.sign_in_refused", "person", person_id, detail=detail)
                audit.note(connection, actor(_STRANGER), act)

    def note_act(self, user: User, why: str) -> None:
        """This user may not do what the request asks for."""
        attempts = self._due(f"{user.kind} {user.id}")
        if attempts:
            detail = {"path": request.path[:200], "why": why, "attempts": attempts}
            with self._database.transaction() as connection:
                audit.note(connection, actor(user), audit.Act("act.refused", "act", request.endpoint, detail=detail))

    def _due(self, key: str) -> int:
        """How many refusals the row that is due now stands for; 0 where none is."""
        with self._lock:
            self._gathered[key] += 1
            if self._throttle.wait_seconds(key) > 0:
                return 0
            self._throttle.count_failure(key)
            return self._gathered.pop(key)

    def _known(self, connection: psycopg.Connection, name: str) -> tuple[int | None, str]:
        found = people.find_name(connection, name)
        if found is not None:
            return found
        return None, self._first_admin if name.lower() == self._first_admin.lower() else _STRANGER.name
