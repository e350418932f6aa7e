"""The further pages of a query's result, made when it ran: each is the query's moment, whatever happens meanwhile.

Facts: "Query More Results" (REST API Developer Guide), "API Query Cursor Limits": a locator is good for two days.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from infra.local.salesforce.clock import stamp
from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.ids import full_id
from infra.local.salesforce.org import Org

#: What query results' ids begin with.
_PREFIX = "01g"
_LIFE = timedelta(days=2)
_LOCATOR = re.compile(r"(01g\w{15})-(\d{1,9})")

_TABLES = (
    """CREATE TABLE IF NOT EXISTS sandbox_locators (
        locator TEXT PRIMARY KEY, user_id TEXT NOT NULL, total INTEGER NOT NULL, expires TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS sandbox_pages (
        locator TEXT NOT NULL, first INTEGER NOT NULL, size INTEGER NOT NULL, records BLOB NOT NULL,
        PRIMARY KEY (locator, first))""",
)

_PAGE = """
SELECT records, total, first + size FROM sandbox_pages JOIN sandbox_locators USING (locator)
WHERE locator = ? AND first = ? AND user_id = ? AND expires > ?
"""


@dataclass(frozen=True)
class Page:
    """A page's records, as JSON, of a result of `total`; `following` is the next one's locator, None after the last."""

    records: str
    total: int
    following: str | None


class Locators:
    """The pages kept in the org's file."""

    def __init__(self, org: Org) -> None:
        self._org = org
        with org.store.write() as connection:
            for statement in _TABLES:
                connection.execute(statement)

    def keep(self, user_id: str, first: int, pages: Iterable[list[Any]]) -> tuple[str, int]:
        """Write down the pages after the first so many records: the locator of the next one, and the total."""
        locator = self._begin(user_id)
        at = first
        for records in pages:
            body = zlib.compress(json.dumps(records).encode(), 1)
            with self._org.store.write() as connection:
                row = (locator, at, len(records), body)
                connection.execute("INSERT INTO sandbox_pages VALUES (?, ?, ?, ?)", row)
            at += len(records)
        with self._org.store.write() as connection:
            connection.execute("UPDATE sandbox_locators SET total = ? WHERE locator = ?", (at, locator))
        return f"{locator}-{first}", at

    def page(self, user_id: str, text: str) -> Page:
        """The page a locator stands for; it may be read again.

        Raises:
            SalesforceError: INVALID_QUERY_LOCATOR, it is of no result, another user's, or too old.
        """
        match = _LOCATOR.fullmatch(text)
        locator, first = match.groups() if match else ("", "0")
        with self._org.store.read() as connection:
            asked = (locator, int(first), user_id, stamp(self._org.clock.now()))
            found = connection.execute(_PAGE, asked).fetchone()
        if found is None:
            raise SalesforceError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        body, total, following = found
        next_page = f"{locator}-{following}" if following < total else None
        return Page(zlib.decompress(body).decode(), total, next_page)

    def _begin(self, user_id: str) -> str:
        locator = full_id(_PREFIX + secrets.token_hex(6))
        now = self._org.clock.now()
        with self._org.store.write() as connection:
            _sweep(connection, stamp(now))
            row = (locator, user_id, 0, stamp(now + _LIFE))
            connection.execute("INSERT INTO sandbox_locators VALUES (?, ?, ?, ?)", row)
        return locator


def _sweep(connection: sqlite3.Connection, now: str) -> None:
    """Forget results that are too old."""
    connection.execute(
        "DELETE FROM sandbox_pages WHERE locator IN (SELECT locator FROM sandbox_locators WHERE expires <= ?)", (now,)
    )
    connection.execute("DELETE FROM sandbox_locators WHERE expires <= ?", (now,))
