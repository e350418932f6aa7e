"""The REST API, as far as a sync reads with it ("REST API Developer Guide")."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import requests

from servants.salesforce.client import errors
from servants.salesforce.client.http import Caller, Request, content_of
from servants.salesforce.client.reading import deleted, described, identity, object_line, page, pool, updated
from servants.salesforce.client.values import (
    Deleted,
    Described,
    Identity,
    ObjectLine,
    Page,
    Pool,
    Updated,
    soql_moment,
)

T = TypeVar("T")

#: Rows of a page: Salesforce takes 200 to 2,000 as a wish, and gives fewer where rows are wide.
LEAST_ROWS, MOST_ROWS = 200, 2_000


class Rest:
    """One org's REST API. Each method is one call and raises what `Caller` does, but for `pages`: a call each."""

    def __init__(self, caller: Caller, version: str) -> None:
        self._caller = caller
        self._base = f"/services/data/v{version}"

    @property
    def calls(self) -> int:
        """How many calls this client has made so far, those of the Bulk API among them."""
        return self._caller.calls

    @property
    def server_now(self) -> datetime | None:
        """The org's clock at its last answer, in whole seconds, aware; None before one."""
        return self._caller.server_now

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The JSON at a path below the API's version, such as `limits`."""
        return self._caller.fetch(Request("GET", f"{self._base}/{path}", query or {}))

    def objects(self) -> list[ObjectLine]:
        """Every object that this user may see."""
        return _read(lambda: [object_line(line) for line in self.get("sobjects")["sobjects"]])

    def describe(self, name: str, *, since: str | None = None) -> Described | None:
        """The object with its fields; None where nothing has changed `since` (a `Described.last_modified`).

        Raises:
            ObjectMissing: it is not there, or not for this user.
        """
        headers = {"If-Modified-Since": since} if since else {}
        request = Request("GET", f"{self._base}/sobjects/{name}/describe", headers=headers)
        content, modified = self._caller.answer(request, _with_modified)
        return None if content is None else _read(lambda: described(content, modified))

    def query(self, soql: str, *, all_rows: bool = False, batch_size: int | None = None) -> Page:
        """The first rows of a query; with `all_rows` those in the recycle bin and archived ones, too.

        Raises:
            QueryTooLong: it does not fit into an address; nothing was sent.
            QueryRefused, FieldMissing, ObjectMissing, QueryTooSlow: see there.
        """
        rows = None if batch_size is None else min(max(batch_size, LEAST_ROWS), MOST_ROWS)
        headers = {} if rows is None else {"Sforce-Query-Options": f"batchSize={rows}"}
        content = self._caller.fetch(Request("GET", self._query_path(all_rows), {"q": soql}, headers))
        return _read(lambda: page(content))

    def next_page(self, locator: str) -> Page:
        """The rows that a `Page.next` leads to.

        Raises:
            LocatorExpired: Salesforce no longer holds them, which it does for two days.
        """
        if not locator.startswith("/services/data/"):
            raise errors.LocatorExpired("What was kept of a query leads to no page; the query is asked anew.")
        content = self._caller.fetch(Request("GET", locator))
        return _read(lambda: page(content))

    def pages(
        self, soql: str, *, all_rows: bool = False, batch_size: int | None = None, most: int | None = None
    ) -> Iterator[Page]:
        """All pages of a query, which cannot have more than `most` rows.

        Raises:
            RowsMissing: not as many rows came as were announced, or a page leads on without a row.
            UnexpectedAnswer: there are more than the query asked for.
        """
        found = self.query(soql, all_rows=all_rows, batch_size=batch_size)
        if most is not None and found.total > most:
            raise errors.UnexpectedAnswer(f"A query for at most {most:,} rows was answered with {found.total:,}.")
        came, total = 0, found.total
        while True:
            came += len(found.rows)
            leads_nowhere = found.next is not None and not found.rows
            if came > total or leads_nowhere or (found.next is None and came < total):
                raise errors.RowsMissing(f"A query announced {total:,} rows, and {came:,} came.")
            yield found
            if found.next is None:
                return
            found = self.next_page(found.next)

    def count(self, soql: str, *, all_rows: bool = False) -> int:
        """How many rows there are; `soql` begins with SELECT COUNT()."""
        return self.query(soql, all_rows=all_rows).total

    def fits(self, soql: str) -> bool:
        """Whether the query fits into an address; one that does not is for the Bulk API."""
        return Request("GET", self._query_path(all_rows=True), {"q": soql}).fits

    def updated(self, name: str, start: datetime, end: datetime) -> Updated:
        """Rows that were made or changed in this time, which begins at most 30 days ago.

        Raises:
            TooManyIds: ask for a shorter time.
            WindowTooOld: it begins too long ago.
        """
        content = self._window(name, "updated", start, end)
        return _read(lambda: updated(content))

    def deleted(self, name: str, start: datetime, end: datetime) -> Deleted:
        """Rows that were deleted in this time, which begins at most 15 days ago and lasts more than a minute.

        Raises:
            TooManyIds: ask for a shorter time.
            WindowTooOld: it begins too long ago.
        """
        content = self._window(name, "deleted", start, end)
        return _read(lambda: deleted(content))

    def limits(self) -> dict[str, Pool]:
        """The org's limits by Salesforce's names, such as DailyApiRequests."""
        content = self.get("limits")
        return _read(lambda: {name: pool(each) for name, each in content.items() if "Max" in each})

    def identity(self) -> Identity:
        """Who is signed in."""
        content = self._caller.fetch(Request("GET", "/services/oauth2/userinfo"))
        return _read(lambda: identity(content))

    def _query_path(self, all_rows: bool) -> str:
        return f"{self._base}/{'queryAll' if all_rows else 'query'}"

    def _window(self, name: str, what: str, start: datetime, end: datetime) -> Any:
        return self.get(f"sobjects/{name}/{what}/", {"start": soql_moment(start), "end": soql_moment(end)})


def _with_modified(response: requests.Response, body: bytes) -> tuple[Any, str | None]:
    return content_of(response, body), response.headers.get("Last-Modified")


def _read(make: Callable[[], T]) -> T:
    """What is made of an answer's JSON; where it is not what Salesforce documents, something else has answered."""
    try:
        return make()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.UnexpectedAnswer(
            f"Salesforce answered with JSON that is not as documented ({type(error).__name__})."
        ) from error
