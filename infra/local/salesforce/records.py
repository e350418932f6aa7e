"""Writing records: one transaction of one user, in the ways of the API ("sObject Collections")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.local.salesforce.deletion import Deletion
from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.metadata import Field, Schema, SObject
from infra.local.salesforce.new_rows import NewRows
from infra.local.salesforce.results import RowFault, RowResult, refused, rolled_back
from infra.local.salesforce.row_values import Checker, record_id, value_key
from infra.local.salesforce.rules import Saving, account_of_activity, complete, write_history
from infra.local.salesforce.transactions import Transactions
from infra.local.salesforce.values import Raw
from infra.local.salesforce.writer import Row, Writer


@dataclass(frozen=True)
class Editor:
    """Who writes, and what he may see of what there is."""

    user_id: str
    seen: Schema
    full: Schema


class Edit:
    """One transaction. Rows that are refused leave no trace; the others are written when it ends well."""

    def __init__(self, editor: Editor, writer: Writer, transactions: Transactions, now: datetime) -> None:
        self.now = now
        self.writer = writer
        self._editor = editor
        self._checker = Checker(editor.seen, editor.full, writer, transactions)
        self._deletion = Deletion(editor.full, writer, self._checker, user_id=editor.user_id, now=now)
        self._new = NewRows(writer, editor.user_id, now)
        self._touched: set[str] = set()

    @property
    def touched(self) -> set[str]:
        """Keys of the rows and unique values that were written, and of masters of rows written."""
        return self._touched

    def insert(self, name: str, rows: Iterable[Mapping[str, Any]], *, all_or_none: bool = False) -> list[RowResult]:
        """Create records.

        Raises:
            SalesforceError: INVALID_TYPE.
        """
        sobject = self._editor.seen.object(name)
        return self._each(rows, lambda row: self._insert(sobject, row), all_or_none=all_or_none)

    def update(self, name: str, rows: Iterable[Mapping[str, Any]], *, all_or_none: bool = False) -> list[RowResult]:
        """Change records; each row names its `Id`.

        Raises:
            SalesforceError: INVALID_TYPE.
        """
        sobject = self._editor.seen.object(name)
        return self._each(rows, lambda row: self._update(sobject, row), all_or_none=all_or_none)

    def upsert(
        self, name: str, rows: Iterable[Mapping[str, Any]], *, key: str = "Id", all_or_none: bool = False
    ) -> list[RowResult]:
        """Change the records with these values in `key`, an external id or `Id`; create those that are not there.

        Raises:
            SalesforceError: INVALID_TYPE, or INVALID_FIELD as the key is no external id.
        """
        sobject = self._editor.seen.object(name)
        field = sobject.field(key)
        if not (field.external_id or field.type == "id"):
            raise _no_key(sobject, key)
        given = list(rows)
        doubled = _doubled(field, given)
        return self._each(given, lambda row: self._upsert(sobject, field, row, doubled), all_or_none=all_or_none)

    def delete(self, ids: Iterable[str], *, all_or_none: bool = False) -> list[RowResult]:
        """Put records, of any objects, into the recycle bin, with what belongs to them."""
        return self._each(ids, lambda one: self._dispose(one, self._deletion.delete), all_or_none=all_or_none)

    def undelete(self, ids: Iterable[str], *, all_or_none: bool = False) -> list[RowResult]:
        """Take records, and what was deleted along with them, out of the recycle bin."""
        return self._each(ids, lambda one: self._dispose(one, self._deletion.undelete), all_or_none=all_or_none)

    def purge(self, ids: Iterable[str]) -> list[RowResult]:
        """Empty records out of the recycle bin for good."""
        return self._each(ids, lambda one: self._dispose(one, self._purge))

    def hard_delete(self, ids: Iterable[str], *, all_or_none: bool = False) -> list[RowResult]:
        """Delete records past the recycle bin."""
        return self._each(ids, lambda one: self._dispose(one, self._hard_delete), all_or_none=all_or_none)

    def load(self, name: str, rows: Iterable[Mapping[str, Raw]]) -> int:
        """Create many records fast: values as they are stored, no rules, no history; how many.

        All rows have the fields of the first, in its order. What the system writes may be given too, but for ids. A
        transaction in which this was done cannot be held.
        """
        return self._new.load(self._editor.full.object(name), rows)

    def _each(self, given: Iterable[Any], action: Callable[[Any], RowResult], **options: bool) -> list[RowResult]:
        self.writer.connection.execute("SAVEPOINT several")
        mark = len(self.writer.statements)
        results = [self._guarded(one, action) for one in given]
        if options.get("all_or_none") and not all(result.success for result in results):
            self.writer.connection.execute("ROLLBACK TO several")
            del self.writer.statements[mark:]
            results = [rolled_back(result) for result in results]
        self.writer.connection.execute("RELEASE several")
        return results

    def _guarded(self, one: Any, action: Callable[[Any], RowResult]) -> RowResult:
        try:
            return action(one)
        except RowFault as fault:
            return refused(_named(one), fault)

    def _insert(self, sobject: SObject, row: Mapping[str, Any]) -> RowResult:
        _need(sobject, sobject.createable, self._editor.full.object(sobject.name).createable, "create")
        if any(key.lower() == "id" and value for key, value in row.items()):
            raise RowFault("INVALID_FIELD", "cannot specify Id in an insert call", ("Id",))
        given = self._checker.given(sobject, row, inserting=True)
        full = self._editor.full.object(sobject.name)
        new = self._new.blank(full) | given
        new["Id"] = self.writer.new_id(full)
        self._save(full, None, new, set(given))
        return RowResult(str(new["Id"]), created=True)

    def _update(self, sobject: SObject, row: Mapping[str, Any]) -> RowResult:
        _need(sobject, sobject.updateable, self._editor.full.object(sobject.name).updateable, "update")
        found = record_id(next((value for key, value in row.items() if key.lower() == "id"), None), sobject)
        full = self._editor.full.object(sobject.name)
        before = self.writer.row(full, found)
        if before is None:
            raise RowFault("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if before.get("IsDeleted"):
            raise RowFault("ENTITY_IS_DELETED", "entity is deleted")
        self._checker.unlocked(found)
        given = self._checker.given(sobject, row, inserting=False)
        self._save(full, before, before | given, set(given))
        return RowResult(found)

    def _upsert(self, sobject: SObject, key: Field, row: Mapping[str, Any], doubled: set[str]) -> RowResult:
        value = next((value for name, value in row.items() if name.lower() == key.name.lower()), None)
        if key.type == "id":
            return self._update(sobject, row) if value else self._insert(sobject, row)
        if value in (None, ""):
            raise RowFault("MISSING_ARGUMENT", f"{key.name} not specified", (key.name,))
        if str(value).lower() in doubled:
            raise RowFault("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", (key.name,))
        found = self.writer.ids(sobject, key.name, self._checker.plain(key, value))
        if len(found) > 1:
            message = f"{key.name}: more than one record found for external id field: [{', '.join(found)}]"
            raise RowFault("DUPLICATE_EXTERNAL_ID", message, (key.name,))
        return self._update(sobject, {**row, "Id": found[0]}) if found else self._insert(sobject, row)

    def _save(self, full: SObject, before: Row | None, row: Row, given: set[str]) -> None:
        row |= {name: value for name, value in self._new.stamps().items() if full.find(name)}
        if full.name in {"Task", "Event"}:
            row["AccountId"] = account_of_activity(self._editor.full, self.writer, row)
        complete(full, Saving(row, given, self.now))
        self._checker.required(full, row)
        self._checker.unique(full, row, str(row["Id"]))
        if before is None:
            self.writer.insert(full, row)
        else:
            self.writer.update(full, str(row["Id"]), {name: row[name] for name in row if row[name] != before[name]})
        if full.tracked:
            write_history(self._editor.full, self.writer, before, row)
        self._touched.update(_keys(full, row))

    def _dispose(self, given: Any, action: Callable[[SObject, str], list[str]]) -> RowResult:
        found = record_id(given)
        sobject = self._editor.seen.of_id(found)
        if sobject is None:
            raise RowFault("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        full = self._editor.full.object(sobject.name)
        _need(sobject, sobject.deletable, full.deletable, "delete")
        self._touched |= set(action(full, found))
        return RowResult(found)

    def _purge(self, sobject: SObject, found: str) -> list[str]:
        self._deletion.purge(sobject, found)
        return [found]

    def _hard_delete(self, sobject: SObject, found: str) -> list[str]:
        deleted = self._deletion.delete(sobject, found)
        self._deletion.purge(sobject, found)
        return deleted


def _keys(sobject: SObject, row: Row) -> Iterator[str]:
    """What the writing of a row locks: itself, its masters, its unique values."""
    yield str(row["Id"])
    for field in sobject.fields:
        value = row.get(field.name)
        if value is not None and field.cascade:
            yield str(value)
        if value is not None and field.unique and field.type != "id":
            yield value_key(sobject, field, value)


def _need(sobject: SObject, permitted: bool, possible: bool, action: str) -> None:
    """Whether an action is possible, and permitted.

    Raises:
        RowFault: nobody can do this with the object, or this user may not.
    """
    if not possible:
        message = f"entity type {sobject.name} does not support {action}"
        raise RowFault("INVALID_TYPE_FOR_OPERATION", message)
    if not permitted:
        raise RowFault("INSUFFICIENT_ACCESS_OR_READONLY", f"insufficient access rights on object {sobject.name}")


def _named(one: Any) -> str | None:
    """The id that a refused row named."""
    return (str(one.get("Id") or "") or None) if isinstance(one, Mapping) else str(one)


def _doubled(key: Field, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """The values of an external id that more than one row gives: all of those rows are refused."""
    named = (str(value).lower() for row in rows for name, value in row.items() if name.lower() == key.name.lower())
    return {value for value, count in Counter(named).items() if count > 1}


def _no_key(sobject: SObject, key: str) -> SalesforceError:
    message = f"Field name provided, {key} does not match an External ID, Salesforce Id, or indexed field for "
    return SalesforceError(400, "INVALID_FIELD", f"{message}{sobject.name}")
