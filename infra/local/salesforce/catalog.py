"""The objects that there are, kept in the org's file, and how they change while it runs."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from infra.local.salesforce import tables
from infra.local.salesforce.clock import Clock, whole_second
from infra.local.salesforce.formulas import BadFormula, column_sql
from infra.local.salesforce.metadata import Field, Schema, SObject
from infra.local.salesforce.store import Store
from infra.local.salesforce.values import BadValue, Raw, stored, to_json

_SOBJECT = TypeAdapter(SObject)
_CUSTOM_PREFIXES = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Catalog:
    """The full schema. Each change is a transaction; a reader goes on with the schema it took."""

    def __init__(self, store: Store, clock: Clock, first: Iterable[SObject]) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.RLock()
        with store.write() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS sandbox_objects (name TEXT PRIMARY KEY, definition TEXT)")
            if connection.execute("SELECT 1 FROM sandbox_objects").fetchone() is None:
                for sobject in first:
                    tables.create(connection, sobject)
                    _keep(connection, sobject)
            kept = connection.execute("SELECT definition FROM sandbox_objects").fetchall()
        self._schema = Schema.of(_SOBJECT.validate_json(row[0]) for row in kept)
        self._draft = self._schema
        self._touched = max(one.modified for one in self._schema.objects)
        self.version = 0

    @property
    def schema(self) -> Schema:
        return self._schema

    @property
    def modified(self) -> datetime:
        """When anything was last changed, a whole second."""
        return self._touched

    def add_object(self, sobject: SObject) -> SObject:
        """Make an object; it gets a prefix where it has none.

        Raises:
            ValueError: there is one of that name, or a formula of it cannot be read.
        """
        with self._changing() as connection:
            if self._draft.find(sobject.name):
                raise ValueError(f"There is an object {sobject.name} already.")
            made = replace(sobject, prefix=sobject.prefix or self._free_prefix())
            tables.create(connection, made)
            return self._save(connection, made)

    def remove_object(self, name: str) -> None:
        """Remove an object with its records.

        Raises:
            SalesforceError: INVALID_TYPE, there is none.
        """
        with self._changing() as connection:
            gone = self._draft.object(name)
            connection.execute(f"DROP TABLE {tables.quoted(gone.table)}")
            connection.execute("DELETE FROM sandbox_objects WHERE name = ?", (gone.name,))
            self._touch()
            self._put(connection, Schema.of(one for one in self._draft.objects if one.name != gone.name))

    def add_field(self, sobject: str, field: Field) -> Field:
        """Add a field; it is empty in every record, or false.

        Raises:
            ValueError: there is one of that name, or its formula cannot be read.
        """
        with self._changing() as connection:
            owner = self._draft.object(sobject)
            if owner.find(field.name):
                raise ValueError(f"{owner.name} has a field {field.name} already.")
            return self._place(connection, owner, field)

    def remove_field(self, sobject: str, name: str) -> None:
        """Remove a field; what was in it is not shown any more.

        Raises:
            SalesforceError: INVALID_FIELD, there is none.
        """
        with self._changing() as connection:
            owner = self._draft.object(sobject)
            gone = owner.field(name)
            self._save(connection, replace(owner, fields=tuple(one for one in owner.fields if one is not gone)))

    def retype_field(self, sobject: str, field: Field) -> Field:
        """Give a field another type, length or the like; values that do not fit become empty.

        Raises:
            SalesforceError: INVALID_FIELD, there is none of that name.
        """
        with self._changing() as connection:
            owner = self._draft.object(sobject)
            before = owner.field(field.name)
            placed = self._place(connection, owner, field)
            if before.stored and placed.stored:
                _convert(connection, owner, before, placed)
            return placed

    def set_formula(self, sobject: str, name: str, formula: str) -> Field:
        """Give a formula field another formula; its values are others at once, and no record's stamp changes.

        Raises:
            ValueError: it is no formula field, or the formula cannot be read.
        """
        with self._changing() as connection:
            owner = self._draft.object(sobject)
            before = owner.field(name)
            if before.formula is None:
                raise ValueError(f"{owner.name}.{before.name} is no formula field.")
            after = replace(before, formula=formula)
            self._save(connection, owner.with_field(after))
            return after

    def touch(self, sobject: str) -> None:
        """Say that an object's description is another than before, e.g. as permissions changed."""
        with self._changing() as connection:
            self._save(connection, self._draft.object(sobject))

    def _place(self, connection: sqlite3.Connection, owner: SObject, field: Field) -> Field:
        placed = replace(field, column=tables.free_column(connection, owner, field.name))
        tables.add_column(connection, owner, placed)
        self._save(connection, owner.with_field(placed))
        return placed

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A change: readers are shown the new schema once it is kept."""
        with self._lock:
            self._draft = self._schema
            with self._store.write() as connection:
                yield connection
            self._schema = self._draft
            self.version += 1

    def _save(self, connection: sqlite3.Connection, sobject: SObject) -> SObject:
        made = replace(sobject, modified=self._touch())
        others = (one for one in self._draft.objects if one.name != made.name)
        self._put(connection, Schema.of((*others, made)))
        _keep(connection, made)
        return made

    def _put(self, connection: sqlite3.Connection, schema: Schema) -> None:
        _check(connection, schema)
        self._draft = schema

    def _touch(self) -> datetime:
        """A whole second later than any before: who asks since then notices even a second change within one second."""
        self._touched = max(whole_second(self._clock.now()), self._touched + timedelta(seconds=1))
        return self._touched

    def _free_prefix(self) -> str:
        taken = {one.prefix for one in self._draft.objects}
        pairs = (f"a{first}{second}" for first in _CUSTOM_PREFIXES for second in _CUSTOM_PREFIXES)
        return next(prefix for prefix in pairs if prefix not in taken)


def _keep(connection: sqlite3.Connection, sobject: SObject) -> None:
    definition = _SOBJECT.dump_json(sobject).decode()
    connection.execute("INSERT OR REPLACE INTO sandbox_objects VALUES (?, ?)", (sobject.name, definition))


def _check(connection: sqlite3.Connection, schema: Schema) -> None:
    """Whether SQLite takes every formula there is: what one of them names cannot be removed."""
    worked_out = [(owner, one) for owner in schema.objects for one in owner.fields if one.formula or one.summary]
    for owner, one in worked_out:
        query = f"EXPLAIN SELECT {column_sql(schema, owner, one, 't')} FROM {tables.quoted(owner.table)} t"
        try:
            connection.execute(query).fetchall()
        except sqlite3.Error as error:
            raise BadFormula(f"{owner.name}.{one.name}: {error}") from None


def _convert(connection: sqlite3.Connection, owner: SObject, before: Field, after: Field) -> None:
    old, new, table = tables.quoted(before.column), tables.quoted(after.column), tables.quoted(owner.table)
    rows = connection.execute(f"SELECT Id, {old} FROM {table} WHERE {old} IS NOT NULL").fetchall()
    values = [(_converted(before, after, raw), record_id) for record_id, raw in rows]
    connection.executemany(f"UPDATE {table} SET {new} = ? WHERE Id = ?", values)


def _converted(before: Field, after: Field, raw: Raw) -> Raw:
    shown = to_json(before, raw)
    plain = int(shown) if isinstance(shown, float) and shown.is_integer() else shown
    try:
        return stored(after, plain)
    except BadValue:
        return stored(after, None)
