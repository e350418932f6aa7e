"""The org: its data, its objects, its users, its clock, and transactions on them."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from infra.local.salesforce.catalog import Catalog
from infra.local.salesforce.changes_log import ChangesLog
from infra.local.salesforce.clock import Clock, whole_second
from infra.local.salesforce.deletion import LOG
from infra.local.salesforce.faults import Faults
from infra.local.salesforce.metadata import Field, Schema, SObject
from infra.local.salesforce.new_org import furnish
from infra.local.salesforce.records import Edit, Editor
from infra.local.salesforce.security import Security
from infra.local.salesforce.standard import STANDARD_OBJECTS
from infra.local.salesforce.store import Store
from infra.local.salesforce.transactions import Held, Transactions
from infra.local.salesforce.usage import Usage
from infra.local.salesforce.writer import Counters, Writer


@dataclass(frozen=True)
class OrgUser:
    """Somebody who works in the org, as his record says at the moment."""

    id: str
    username: str
    profile_id: str
    active: bool
    name: str
    email: str


class _Undone(Exception):
    """A transaction's writes are to be undone, as they are held back."""


class Org:
    """One org in one file. Everything may be used from any thread."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.store = Store(path, self.clock)
        self.usage = Usage(self.clock)
        self.faults = Faults()
        self.transactions = Transactions()
        with self.store.write() as connection:
            for statement in LOG:
                connection.execute(statement)
            self._counters = Counters(connection)
            self._restore_usage(connection)
        self.catalog = Catalog(self.store, self.clock, STANDARD_OBJECTS)
        self.log = ChangesLog(self.store)
        self.security = Security(self.store, self.catalog.touch)
        self._seen: dict[str, tuple[int, Schema]] = {}
        self._caching = threading.Lock()
        furnish(self.store, self.catalog.schema, self._counters, self.clock.now())

    @classmethod
    def open(cls, path: Path, clock: Clock | None = None) -> Org:
        """The org in this file, a new one where there is none."""
        return cls(path, clock)

    def close(self) -> None:
        """Keep what was used of the limits, and let go of the file."""
        with self.store.write() as connection:
            connection.execute("INSERT OR REPLACE INTO sandbox_usage VALUES (1, ?)", (self.usage.kept(),))
        self.store.close()

    def add_object(self, sobject: SObject) -> SObject:
        """See `Catalog.add_object`."""
        return self.catalog.add_object(sobject)

    def remove_object(self, name: str) -> None:
        """See `Catalog.remove_object`."""
        self.catalog.remove_object(name)

    def add_field(self, name: str, field: Field) -> Field:
        """See `Catalog.add_field`."""
        return self.catalog.add_field(name, field)

    def remove_field(self, name: str, field: str) -> None:
        """See `Catalog.remove_field`."""
        self.catalog.remove_field(name, field)

    def retype_field(self, name: str, field: Field) -> Field:
        """See `Catalog.retype_field`."""
        return self.catalog.retype_field(name, field)

    def set_formula(self, name: str, field: str, formula: str) -> Field:
        """See `Catalog.set_formula`."""
        return self.catalog.set_formula(name, field, formula)

    @property
    def version(self) -> int:
        """Another number whenever objects, fields or permissions are others."""
        return self.catalog.version + self.security.version

    @property
    def organization_id(self) -> str:
        with self.store.read() as connection:
            return str(connection.execute('SELECT Id FROM "Organization"').fetchone()[0])

    @property
    def admin(self) -> OrgUser:
        """The user that the org was made with."""
        with self.store.read() as connection:
            first = connection.execute('SELECT Id FROM "User" ORDER BY Id LIMIT 1').fetchone()
        return self.user(first[0])

    def user(self, user_id: str) -> OrgUser:
        """The user of this id.

        Raises:
            KeyError: there is none.
        """
        found = self._users("Id = ?", user_id)
        if not found:
            raise KeyError(user_id)
        return found[0]

    def user_named(self, username: str) -> OrgUser | None:
        """The user who signs in by this name, in any case."""
        return next(iter(self._users("Username = ?", username)), None)

    def full_schema(self) -> Schema:
        return self.catalog.schema

    def schema(self, user: OrgUser) -> Schema:
        """What this user may see."""
        version = self.version
        with self._caching:
            known = self._seen.get(user.profile_id)
            if known is None or known[0] != version:
                known = (version, self.security.visible(user.profile_id, self.catalog.schema))
                self._seen[user.profile_id] = known
            return known[1]

    @contextmanager
    def edit(self, user: OrgUser, hold: str | None = None) -> Iterator[Edit]:
        """A transaction of this user. With a name to hold it by, it is stamped now and shows once it is committed.

        Raises:
            ValueError: a transaction of that name is held, or it cannot be.
        """
        if hold is not None:
            self.transactions.refuse_taken(hold)
        try:
            with self.transactions.running(self.clock), self.store.write() as connection:
                edit = self._edit(user, connection)
                yield edit
                if hold is not None:
                    if not edit.writer.noted:
                        raise ValueError("A transaction that loads rows cannot be held.")
                    self.transactions.hold(Held(hold, edit.now), edit.writer.statements, edit.touched)
                    raise _Undone
        except _Undone:
            return

    def commit_held(self, name: str) -> None:
        """Show a held transaction.

        Raises:
            KeyError: no transaction of that name is held.
        """
        with self.store.write() as connection:
            self.transactions.commit(name, connection)
        self.transactions.release(name)

    def discard_held(self, name: str) -> None:
        """Undo a held transaction: nobody ever sees it."""
        self.transactions.release(name)

    def held(self) -> list[Held]:
        return self.transactions.held()

    def lock_rows(self, name: str, ids: Iterable[str]) -> None:
        """Keep everybody from writing these records until `release_rows`."""
        self.transactions.lock(name, ids)

    def release_rows(self, name: str) -> None:
        self.transactions.release(name)

    def settled_until(self) -> datetime:
        """A whole second before which every stamp there will ever be is visible to who reads from now on."""
        now = whole_second(self.clock.now())
        earliest = self.transactions.earliest()
        return now if earliest is None else min(now, earliest)

    def _restore_usage(self, connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS sandbox_usage (only INTEGER PRIMARY KEY, kept TEXT)")
        found = connection.execute("SELECT kept FROM sandbox_usage").fetchone()
        if found:
            self.usage.restore(found[0])

    def _edit(self, user: OrgUser, connection: sqlite3.Connection) -> Edit:
        """The stamp is of when the rows are this transaction's to write, so no record's stamp ever goes back."""
        editor = Editor(user.id, self.schema(user), self.catalog.schema)
        now = whole_second(self.clock.now())
        return Edit(editor, Writer(connection, self._counters), self.transactions, now)

    def _users(self, condition: str, value: str) -> list[OrgUser]:
        query = f'SELECT Id, Username, ProfileId, IsActive, Name, Email FROM "User" WHERE {condition}'
        with self.store.read() as connection:
            found = connection.execute(query, (value,)).fetchall()
        return [OrgUser(row[0], row[1], row[2], bool(row[3]), row[4], row[5]) for row in found]
