"""From a query's text to the statement that a user of an org may run."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from infra.local.salesforce.soql.compile import compiled
from infra.local.salesforce.soql.compiled import Compiled
from infra.local.salesforce.soql.parse import parse
from infra.local.salesforce.soql.places import Misplaced, located, malformed
from infra.local.salesforce.soql.scope import Catalog

if TYPE_CHECKING:
    from infra.local.salesforce.org import Org, OrgUser

__all__ = ["Compiled", "prepare", "prepared"]


def prepare(text: str, org: Org, user: OrgUser, *, all_rows: bool = False) -> Compiled:
    """The statement of a query; `all_rows` counts in what lies in the recycle bin.

    Raises:
        SalesforceError: MALFORMED_QUERY, INVALID_FIELD, INVALID_TYPE ..., which shows where in the text.
    """
    schema, full, today = org.schema(user), org.full_schema(), org.clock.now().date()
    return prepared(text, Catalog(schema, full, today, all_rows, count()))


def prepared(text: str, catalog: Catalog) -> Compiled:
    """The statement of a query against a catalog.

    Raises:
        SalesforceError: as `prepare` says.
    """
    try:
        return _prepared(text, catalog)
    except RecursionError:
        raise malformed("The query is nested too deeply") from None


def _prepared(text: str, catalog: Catalog) -> Compiled:
    query = parse(text)
    if query.all_rows:
        # Only Apex knows these words; the API has queryAll.
        raise malformed("ALL ROWS not allowed in this context")
    try:
        return replace(compiled(query, catalog), has_offset=query.offset is not None)
    except Misplaced as error:
        raise located(text, error.at, error.error) from None
