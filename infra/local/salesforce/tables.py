"""How objects lie in SQLite: a table each, a column for each field that is stored."""

from __future__ import annotations

import sqlite3

from infra.local.salesforce.metadata import Field, SObject

_INTEGERS = frozenset({"boolean", "int"})
_REALS = frozenset({"double", "currency", "percent"})
_EXACT_TEXT = frozenset({"id", "reference", "date", "datetime", "time", "base64"})


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def column_type(field: Field) -> str:
    """The column's type; text is compared without regard to case, as SOQL does, unless its case counts."""
    if field.type in _INTEGERS:
        return "INTEGER"
    if field.type in _REALS:
        return "REAL"
    return "TEXT" if field.type in _EXACT_TEXT or field.case_sensitive else "TEXT COLLATE NOCASE"


def create(connection: sqlite3.Connection, sobject: SObject) -> None:
    """Make an object's table with its indexes."""
    columns = ", ".join(_declaration(field) for field in sobject.fields if field.stored)
    connection.execute(f"CREATE TABLE {quoted(sobject.table)} ({columns})")
    for field in sobject.fields:
        _index(connection, sobject, field)
    for name in ("SystemModstamp", "CreatedDate"):
        if sobject.find(name):
            connection.execute(_index_statement(sobject.table, name, "Id"))


def add_column(connection: sqlite3.Connection, sobject: SObject, field: Field) -> None:
    """Make room for a field that was not there."""
    if field.stored:
        connection.execute(f"ALTER TABLE {quoted(sobject.table)} ADD COLUMN {_declaration(field)}")
        _index(connection, sobject, field)


def free_column(connection: sqlite3.Connection, sobject: SObject, name: str) -> str:
    """A column's name that the table does not have yet, nor had for a field since removed."""
    taken = {row[1].lower() for row in connection.execute(f"PRAGMA table_info({quoted(sobject.table)})")}
    candidates = (name, *(f"{name}_{number}" for number in range(2, 2_000)))
    return next(candidate for candidate in candidates if candidate.lower() not in taken)


def _declaration(field: Field) -> str:
    if field.type == "id":
        return f"{quoted(field.column)} TEXT PRIMARY KEY NOT NULL"
    default = " NOT NULL DEFAULT 0" if field.type == "boolean" else ""
    return f"{quoted(field.column)} {column_type(field)}{default}"


def _index(connection: sqlite3.Connection, sobject: SObject, field: Field) -> None:
    looked_up = field.external_id or field.unique or field.cascade or field.child_relationship is not None
    if looked_up and field.stored and field.type != "id":
        connection.execute(_index_statement(sobject.table, field.column))


def _index_statement(table: str, *columns: str) -> str:
    listed = ", ".join(quoted(column) for column in columns)
    return f"CREATE INDEX {quoted('_'.join(('by', table, *columns)))} ON {quoted(table)} ({listed})"
