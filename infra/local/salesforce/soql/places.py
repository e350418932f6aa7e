"""Errors that show where in a query they are."""

from __future__ import annotations

from infra.local.salesforce.errors import SalesforceError

#: How much of the query stands before and after the place.
_BEFORE, _AFTER = 40, 30

RELATIONSHIP_ADVICE = (
    "If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship "
    "name. Please reference your WSDL or the describe call for the appropriate names."
)


def located(text: str, at: int, error: SalesforceError) -> SalesforceError:
    """The same error with the place shown the way Salesforce does: the text, a caret, the row and the column."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    shown_from = max(start, at - _BEFORE)
    shown = text[shown_from : min(len(text) if end < 0 else end, at + _AFTER)]
    row, column = text.count("\n", 0, at) + 1, at - start + 1
    caret = " " * (at - shown_from) + "^"
    message = f"\n{shown}\n{caret}\nERROR at Row:{row}:Column:{column}\n{error.message}"
    return SalesforceError(error.status, error.code, message, error.fields)


def malformed(message: str) -> SalesforceError:
    """`MALFORMED_QUERY`: this is not, or not yet, a query."""
    return SalesforceError(400, "MALFORMED_QUERY", message)


def invalid_field(message: str) -> SalesforceError:
    """`INVALID_FIELD`: the field may not be used like this."""
    return SalesforceError(400, "INVALID_FIELD", message)


def invalid_operator(message: str) -> SalesforceError:
    """`INVALID_QUERY_FILTER_OPERATOR`: the filter's operator does not go with the field or the value."""
    return SalesforceError(400, "INVALID_QUERY_FILTER_OPERATOR", message)


class Misplaced(Exception):
    """An error and the place it is about, on its way to where the text is known."""

    def __init__(self, at: int, error: SalesforceError) -> None:
        super().__init__(error.message)
        self.at = at
        self.error = error
