"""Query text to `syntax` values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path as File
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.exceptions import VisitError

from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.soql import syntax
from infra.local.salesforce.soql.places import Misplaced, located, malformed
from infra.local.salesforce.soql.strings import unquoted

#: "SOQL statements cannot exceed 100,000 characters" ("SOQL and SOSL Limits").
MAX_CHARACTERS = 100_000

MAX_OFFSET = 2_000

#: What SQLite takes for a whole number.
MAX_WHOLE = 2**63 - 1


def parse(text: str) -> syntax.Query:
    """The query.

    Raises:
        SalesforceError: MALFORMED_QUERY, which shows where the text stops being SOQL.
    """
    if len(text) > MAX_CHARACTERS:
        raise malformed(f"SOQL statements cannot be longer than {MAX_CHARACTERS:,} characters.")
    try:
        return _query(text)
    except UnexpectedInput as error:
        raise _unexpected(text, error) from None
    except VisitError as error:
        if isinstance(error.orig_exc, Misplaced):
            raise located(text, error.orig_exc.at, error.orig_exc.error) from None
        raise


def _query(text: str) -> syntax.Query:
    query: syntax.Query = _ToSyntax().transform(_parser().parse(text))
    return query


@cache
def _parser() -> Lark:
    grammar = File(__file__).with_name("grammar.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual", maybe_placeholders=True)


def _unexpected(text: str, error: UnexpectedInput) -> SalesforceError:
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        return located(text, error.token.start_pos or 0, malformed(f"unexpected token: '{error.token}'"))
    if isinstance(error, UnexpectedCharacters):
        at = cast(int, error.pos_in_stream)
        if text[at] == "'":
            return located(text, at, malformed("string literal is not closed"))
        return located(text, at, malformed(f"unexpected character: '{text[at]}'"))
    return located(text, len(text), malformed("unexpected token: '<EOF>'"))


def _at(token: Token) -> int:
    return token.start_pos or 0


class _ToSyntax(Transformer[Token, syntax.Query]):
    """Each method takes the children of the rule it is called like; what an optional part lacks is None."""

    def start(self, parts: list[syntax.Query]) -> syntax.Query:
        return parts[0]

    def query(self, parts: list[Any]) -> syntax.Query:
        _, columns, _, source, alias, where, group_by, having, order_by, limit, offset, all_rows = parts
        return syntax.Query(
            columns=columns,
            source=str(source),
            at=_at(source),
            alias=alias,
            where=where,
            group_by=group_by,
            having=having,
            order_by=order_by,
            limit=limit,
            offset=offset,
            all_rows=all_rows,
        )

    def columns(self, parts: list[syntax.Column | syntax.Query]) -> tuple[syntax.Column | syntax.Query, ...]:
        return tuple(parts)

    def column(self, parts: list[Any]) -> syntax.Column:
        operand, alias = parts
        return syntax.Column(operand, str(alias) if alias else None)

    def subquery(self, parts: list[syntax.Query]) -> syntax.Query:
        return parts[0]

    def path(self, parts: list[Token]) -> syntax.Path:
        return syntax.Path(tuple(parts[0].split(".")), _at(parts[0]))

    def call(self, parts: list[Any]) -> syntax.Call:
        name, argument = parts
        if "." in name:
            raise Misplaced(_at(name), malformed(f"unexpected token: '{name}'"))
        return syntax.Call(name.upper(), argument, _at(name))

    def alias(self, parts: list[Any]) -> str | None:
        return str(parts[-1]) if parts else None

    def where(self, parts: list[Any]) -> syntax.Condition | None:
        return _only(parts[1:]) if parts else None

    having = where

    def simple(self, parts: list[Any]) -> syntax.Condition:
        return _only(parts)

    def both(self, parts: list[Any]) -> syntax.Both:
        return syntax.Both(tuple(parts[::2]))

    def either(self, parts: list[Any]) -> syntax.Either:
        return syntax.Either(tuple(parts[::2]))

    def negated(self, parts: list[Any]) -> syntax.Negated:
        return syntax.Negated(parts[1])

    def comparison(self, parts: list[Any]) -> syntax.Comparison:
        operand, operator, value = parts
        return syntax.Comparison(operand, {"<>": "!="}.get(operator, operator.upper()), value)

    def membership(self, parts: list[Any]) -> syntax.Membership:
        operand, negation, _, values = parts
        return syntax.Membership(operand, negation is not None, values)

    def picks(self, parts: list[Any]) -> syntax.Picks:
        operand, word, values = parts
        return syntax.Picks(operand, word.type == "EXCLUDES", values)

    def values(self, parts: list[syntax.Value]) -> tuple[syntax.Value, ...]:
        return tuple(parts)

    def text(self, parts: list[Token]) -> syntax.Text:
        value, pattern = unquoted(parts[0], _at(parts[0]))
        return syntax.Text(value, pattern)

    def number(self, parts: list[Token]) -> syntax.Number:
        digits = str(parts[0])
        whole = digits.lstrip("+-").isdigit() and abs(int(digits)) <= MAX_WHOLE
        return syntax.Number(int(digits) if whole else float(digits))

    def day(self, parts: list[Token]) -> syntax.Day:
        try:
            return syntax.Day(date.fromisoformat(parts[0]))
        except ValueError:
            raise Misplaced(_at(parts[0]), malformed(f"Invalid date: {parts[0]}")) from None

    def moment(self, parts: list[Token]) -> syntax.Moment:
        try:
            return syntax.Moment(datetime.fromisoformat(parts[0].upper()).astimezone(UTC))
        except (ValueError, OverflowError):
            raise Misplaced(_at(parts[0]), malformed(f"Invalid datetime: {parts[0]}")) from None

    def span(self, parts: list[Token]) -> syntax.Span:
        name, _, count = parts[0].upper().partition(":")
        return syntax.Span(name, int(count or 0))

    def true(self, parts: Sequence[Token]) -> syntax.Truth:
        return syntax.Truth(value=True)

    def false(self, parts: Sequence[Token]) -> syntax.Truth:
        return syntax.Truth(value=False)

    def null(self, parts: Sequence[Token]) -> syntax.Null:
        return syntax.Null()

    def grouping(self, parts: list[Any]) -> tuple[syntax.Operand, ...]:
        return tuple(parts[1:])

    def ordering(self, parts: list[Any]) -> tuple[syntax.Order, ...]:
        return tuple(parts[1:])

    def order(self, parts: list[Any]) -> syntax.Order:
        operand, *words = parts
        types = {word.type for word in words if word is not None}
        return syntax.Order(operand, "DESC" in types, "LAST" in types)

    def limit(self, parts: list[Token]) -> int | None:
        if not parts:
            return None
        count = int(parts[1])
        if count > MAX_WHOLE:
            raise Misplaced(_at(parts[1]), malformed(f"Invalid limit: {count}"))
        return count

    def offset(self, parts: list[Token]) -> int | None:
        if not parts:
            return None
        count = int(parts[1])
        if count > MAX_OFFSET:
            error = SalesforceError(400, "NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}")
            raise Misplaced(_at(parts[1]), error)
        return count

    def all_rows(self, parts: Sequence[Token]) -> bool:
        return bool(parts)


def _only(parts: Sequence[syntax.Condition]) -> syntax.Condition:
    (condition,) = parts
    return condition
