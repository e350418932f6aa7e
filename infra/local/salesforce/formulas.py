"""How each field is read in SQL: a column, or, for what is worked out when it is read, an expression.

Formulas and roll-ups have no column, so they change with what they are made of (a parent's field, today's date) and
leave no stamp, as in Salesforce. A formula sees fields that its reader may not: give it the full schema.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from lark import Lark, Token, Tree
from lark.exceptions import LarkError

from infra.local.salesforce.formula_functions import FUNCTIONS, Part, boolean, chained, compared, date_less, literal
from infra.local.salesforce.metadata import Field, Schema, SObject
from infra.local.salesforce.tables import quoted

_GRAMMAR = (Path(__file__).parent / "formula_grammar.lark").read_text("utf-8")

#: The steps a formula may take through other formulas: more, and it goes round in a circle.
_DEEPEST = 10

_KINDS = {
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "int": "number",
    "double": "number",
    "currency": "number",
    "percent": "number",
}


class BadFormula(ValueError):
    """A formula that cannot be read, or names what is not there."""


def column_sql(full: Schema, sobject: SObject, field: Field, alias: str) -> str:
    """The field's stored value as an SQL expression over the row called `alias`.

    Raises:
        BadFormula: the field is a formula that cannot be read any more, e.g. as what it names was removed.
    """
    return _field(full, full.object(sobject.name), field, alias, 0)


def _field(full: Schema, sobject: SObject, field: Field, alias: str, depth: int) -> str:
    if depth > _DEEPEST:
        raise BadFormula(f"{sobject.name}.{field.name} refers to itself.")
    if field.summary:
        return _summary(full, field, alias, depth)
    if field.formula:
        return _formula(_Reader(full, sobject, alias, depth), field)
    if field.type == "address":
        return _address(sobject, field, alias)
    return f"{alias}.{quoted(field.column)}"


def _formula(reader: _Reader, field: Field) -> str:
    expression = reader.part(parsed(str(field.formula))).sql
    if _KINDS.get(field.type) is None:
        return f"(({expression}) COLLATE NOCASE)"
    return f"ROUND({expression}, {field.scale})" if _KINDS[field.type] == "number" else f"({expression})"


def _summary(full: Schema, field: Field, alias: str, depth: int) -> str:
    summary = field.summary
    assert summary is not None, field.name  # noqa: S101 - only called for roll-ups
    child = full.object(summary.child)
    below = f"{_bare(alias)}_s"
    value = _field(full, child, child.field(summary.field), below, depth + 1)
    kept = f" AND {below}.{quoted('IsDeleted')} = 0" if child.has_deleted else ""
    found = f"SELECT {summary.function}({value}) FROM {quoted(child.table)} {below}"
    owner = f"{below}.{quoted(child.field(summary.reference).column)} = {alias}.{quoted('Id')}"
    return f"COALESCE(({found} WHERE {owner}{kept}), 0)"


def _address(sobject: SObject, field: Field, alias: str) -> str:
    parts = [(one, f"{alias}.{quoted(one.column)}") for one in sobject.fields if one.compound == field.name]
    made = ", ".join(f"'{_address_key(field, one)}', {column}" for one, column in parts)
    first = f"COALESCE({', '.join(column for _, column in parts)})"
    return f"(CASE WHEN {first} IS NULL THEN NULL ELSE json_object({made}) END)"


def _address_key(whole: Field, part: Field) -> str:
    key = part.name.removeprefix(whole.name.removesuffix("Address"))
    return key[0].lower() + key[1:]


def _bare(alias: str) -> str:
    """An alias that names can be made of."""
    return alias.strip('"')


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=False)


@lru_cache(maxsize=1_000)
def parsed(formula: str) -> Tree[Token]:
    """A formula's tree.

    Raises:
        BadFormula: it cannot be read.
    """
    try:
        return _parser().parse(formula)
    except LarkError as error:
        raise BadFormula(f"The formula cannot be read: {error}") from None


class _Reader:
    """Writes a formula's tree as SQL over one row."""

    def __init__(self, full: Schema, sobject: SObject, alias: str, depth: int) -> None:
        self._full = full
        self._sobject = sobject
        self._alias = alias
        self._depth = depth

    def part(self, tree: Tree[Token]) -> Part:
        """The SQL of one node, and what kind of value it is."""
        inner = tree.children
        if tree.data == "path":
            return self._path([str(word) for word in inner])
        if tree.data in {"number", "text"}:
            return literal(tree.data, str(inner[0]))
        if tree.data == "call":
            return self._call(str(inner[0]), inner[1:])
        return self._operation(tree)

    def _operation(self, tree: Tree[Token]) -> Part:
        parts = self._parts(tree.children)
        if tree.data in {"either", "both"}:
            return boolean(f"({(' OR ' if tree.data == 'either' else ' AND ').join(part.sql for part in parts)})")
        if tree.data == "negative":
            return Part(f"(-{parts[0].sql})", "number")
        if tree.data == "opposite":
            return boolean(f"(NOT {parts[0].sql})")
        signs = [str(child) for child in tree.children if isinstance(child, Token)]
        return compared(parts[0], signs[0], parts[1]) if tree.data == "comparison" else self._chain(parts, signs)

    def _chain(self, parts: list[Part], signs: list[str]) -> Part:
        result = parts[0]
        for sign, part in zip(signs, parts[1:], strict=True):
            result = date_less(result, sign, part) or chained(result, sign, part)
        return result

    def _parts(self, children: list[Tree[Token] | Token]) -> list[Part]:
        return [self.part(child) for child in children if isinstance(child, Tree)]

    def _call(self, name: str, arguments: list[Tree[Token] | Token]) -> Part:
        function = FUNCTIONS.get(name.upper())
        if function is None:
            raise BadFormula(f"There is no function {name}.")
        try:
            return function(*self._parts(arguments))
        except TypeError:
            raise BadFormula(f"{name} does not take {len(arguments)} arguments.") from None

    def _path(self, words: list[str]) -> Part:
        constant = {"true": "1", "false": "0", "null": "NULL"}.get(words[0].lower())
        if len(words) == 1 and constant:
            return Part(constant, "text" if constant == "NULL" else "boolean")
        *parents, name = words
        return self._along(self._sobject, self._alias, parents, name)

    def _along(self, sobject: SObject, alias: str, parents: list[str], name: str) -> Part:
        """A field of the row, or of the parent at the end of these words."""
        if not parents:
            field = self._named(sobject, name)
            return Part(_field(self._full, sobject, field, alias, self._depth + 1), _KINDS.get(field.type, "text"))
        reference = sobject.relationship(parents[0])
        if reference is None:
            raise BadFormula(f"{sobject.name} has no parent {parents[0]}.")
        parent, above = self._full.object(reference.reference_to[0]), f"{_bare(alias)}_p"
        found = self._along(parent, above, parents[1:], name)
        owner = f"{above}.{quoted('Id')} = {alias}.{quoted(reference.column)}"
        rows = f"{quoted(parent.table)} {above} WHERE {owner}"
        return Part(f"(SELECT {found.sql} FROM {rows})", found.kind)

    def _named(self, sobject: SObject, name: str) -> Field:
        field = sobject.find(name)
        if field is None:
            raise BadFormula(f"{sobject.name} has no field {name}.")
        return field
