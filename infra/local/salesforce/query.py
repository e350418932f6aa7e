"""query and queryAll.

Facts: "Query", "QueryAll", "Query Options Header" (REST API Developer Guide).
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify, request

from infra.local.salesforce.locators import Locators, Page
from infra.local.salesforce.org import Org
from infra.local.salesforce.request import Caller, caller, resource
from infra.local.salesforce.soql.compiled import Compiled
from infra.local.salesforce.soql.places import malformed
from infra.local.salesforce.soql.records import Record, Records
from infra.local.salesforce.soql.run import prepare

#: Records of a page: as many as asked for within these bounds, the most unless asked.
MIN_BATCH, MAX_BATCH = 200, 2_000

_BATCH_SIZE = re.compile(r"batchSize\s*=\s*(\d{1,6})", re.IGNORECASE)


def blueprint(org: Org) -> Blueprint:
    """The resources."""
    pages = resource("query")
    locators = Locators(org)

    @pages.get("/query")
    def query() -> Response:
        return _run(locators, all_rows=False)

    @pages.get("/queryAll")
    def query_all() -> Response:
        return _run(locators, all_rows=True)

    @pages.get("/query/<locator>")
    @pages.get("/queryAll/<locator>")
    def more(locator: str) -> Response:
        return _answer(locators.page(caller().user.id, locator))

    return pages


def selected(by: Caller, text: str, *, all_rows: bool = False) -> list[Record]:
    """All records of a query, for resources that show few of them.

    Raises:
        SalesforceError: as `soql.run.prepare` says.
    """
    statement = prepare(text, by.org, by.user, all_rows=all_rows)
    with by.org.store.read() as connection:
        rows = connection.execute(statement.sql, statement.params).fetchall()
        return Records(statement, by.base).made(connection, rows)


def _run(locators: Locators, *, all_rows: bool) -> Response:
    by = caller()
    text = request.args.get("q", "")
    if not text.strip():
        raise malformed("A query string has to be specified")
    statement = prepare(text, by.org, by.user, all_rows=all_rows)
    with by.org.store.read() as connection:
        if statement.kind == "count":
            (total,) = connection.execute(statement.sql, statement.params).fetchone()
            return jsonify({"totalSize": total, "done": True, "records": []})
        return _answer(_first(by, locators, _batches(connection, statement, by.base)))


def _batches(connection: sqlite3.Connection, statement: Compiled, base: str) -> Iterator[list[Record]]:
    maker = Records(statement, base)
    cursor = connection.execute(statement.sql, statement.params)
    size = _batch_size()
    while rows := cursor.fetchmany(size):
        yield maker.made(connection, rows)


def _first(by: Caller, locators: Locators, batches: Iterator[list[Record]]) -> Page:
    """The first page; where there are others, they are written down."""
    records = next(batches, [])
    second = next(batches, None)
    if second is None:
        return Page(json.dumps(records), len(records), None)
    following, total = locators.keep(by.user.id, len(records), _chained(second, batches))
    return Page(json.dumps(records), total, following)


def _chained(first: list[Any], rest: Iterator[list[Any]]) -> Iterator[list[Any]]:
    yield first
    yield from rest


def _batch_size() -> int:
    found = _BATCH_SIZE.search(request.headers.get("Sforce-Query-Options", ""))
    return min(max(int(found[1]), MIN_BATCH), MAX_BATCH) if found else MAX_BATCH


def _answer(page: Page) -> Response:
    head: dict[str, Any] = {"totalSize": page.total, "done": page.following is None}
    if page.following is not None:
        head["nextRecordsUrl"] = f"{caller().base}/query/{page.following}"
    # The records are JSON already.
    return Response(f'{json.dumps(head)[:-1]}, "records": {page.records}}}', mimetype="application/json")
