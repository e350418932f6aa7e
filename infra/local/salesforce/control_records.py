"""Edits of the sandbox org's rows from outside, as one of its users, in transactions that may be held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

from infra.local.salesforce.control_values import Done, Row


class Poster(Protocol):
    """Who carries an edit to the org."""

    def post(self, path: str, /, **body: Any) -> Any: ...


class Records:
    """Edits of the org's rows, as one user, or as the admin."""

    def __init__(self, control: Poster, *, user: str | None = None, hold: str | None = None) -> None:
        self._control = control
        self._common = {"user": user, "hold": hold}

    def insert(self, sobject: str, rows: Sequence[Row]) -> list[Done]:
        return self._edit("insert", object=sobject, rows=rows)

    def update(self, sobject: str, rows: Sequence[Row]) -> list[Done]:
        return self._edit("update", object=sobject, rows=rows)

    def upsert(self, sobject: str, rows: Sequence[Row], *, key: str) -> list[Done]:
        return self._edit("upsert", object=sobject, rows=rows, key=key)

    def delete(self, ids: Sequence[str]) -> list[Done]:
        """Into the recycle bin."""
        return self._edit("delete", ids=ids)

    def undelete(self, ids: Sequence[str]) -> list[Done]:
        return self._edit("undelete", ids=ids)

    def purge(self, ids: Sequence[str]) -> list[Done]:
        """Out of the recycle bin, for good."""
        return self._edit("purge", ids=ids)

    def hard_delete(self, ids: Sequence[str]) -> list[Done]:
        """For good, past the recycle bin."""
        return self._edit("hard_delete", ids=ids)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """What was held stays so until `commit` or `discard`."""

    def _edit(self, operation: str, **values: Any) -> list[Done]:
        answer = self._control.post("records", operation=operation, **self._common, **values)
        return [Done(row["id"], row["created"], tuple(row["errors"])) for row in answer]
