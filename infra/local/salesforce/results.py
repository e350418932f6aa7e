"""What became of each row of a write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class RowFault(Exception):
    """A row that cannot be written.

    Attributes:
        code: Salesforce's status code, e.g. `REQUIRED_FIELD_MISSING`.
        fields: the fields it is about.
    """

    def __init__(self, code: str, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = tuple(fields)


@dataclass(frozen=True)
class RowError:
    """One reason why a row was refused."""

    code: str
    message: str
    fields: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}


@dataclass(frozen=True)
class RowResult:
    """One row's outcome; the id is that of the record, or None where there is none."""

    id: str | None
    created: bool = False
    errors: tuple[RowError, ...] = ()

    @property
    def success(self) -> bool:
        return not self.errors

    def json(self) -> dict[str, Any]:
        """As sObject Collections answer ("Create Multiple Records")."""
        known = {"id": self.id} if self.id else {}
        return {**known, "success": self.success, "errors": [error.json() for error in self.errors]}


def refused(record_id: str | None, fault: RowFault) -> RowResult:
    """The outcome of a row with this fault."""
    return RowResult(record_id, errors=(RowError(fault.code, fault.message, fault.fields),))


def rolled_back(result: RowResult) -> RowResult:
    """The outcome of a row that was good, where another was not and all were to be written or none."""
    if not result.success:
        return result
    message = "Record rolled back because not all records were valid and the request was using AllOrNone header"
    return RowResult(None, errors=(RowError("ALL_OR_NONE_OPERATION_ROLLED_BACK", message),))
