"""What a formula is made of, as SQL: literals, operators and functions ("Formula Operators and Functions")."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Part(NamedTuple):
    """A piece of a formula: its SQL, and what it yields: text, number, boolean, date or datetime."""

    sql: str
    kind: str


def boolean(sql: str) -> Part:
    return Part(sql, "boolean")


def literal(kind: str, text: str) -> Part:
    """A number or a quoted text as SQL takes it."""
    if kind == "number":
        return Part(text, "number")
    inner = text[1:-1].replace("\\'", "'").replace('\\"', '"').replace("\\\\", "\\")
    return Part("'" + inner.replace("'", "''") + "'", "text")


def compared(left: Part, sign: str, right: Part) -> Part:
    """A comparison; unlike those of SOQL, those of formulas mind the case of text."""
    operator = {"==": "=", "!=": "<>"}.get(sign, sign)
    exact = " COLLATE BINARY" if "text" in (left.kind, right.kind) else ""
    return boolean(f"({left.sql} {operator} {right.sql}{exact})")


def date_less(left: Part, sign: str, right: Part) -> Part | None:
    """A sum or difference with a date or moment in it, in days; None where there is none."""
    if left.kind not in {"date", "datetime"} or sign == "&":
        return None
    if right.kind in {"date", "datetime"}:
        return Part(f"(julianday({_readable(left)}) - julianday({_readable(right)}))", "number")
    shape = "%Y-%m-%d" if left.kind == "date" else "%Y-%m-%dT%H:%M:%S.000+0000"
    days = f"printf('%+.5f days', {sign}({right.sql}))"
    return Part(f"strftime('{shape}', {_readable(left)}, {days})", left.kind)


def chained(left: Part, sign: str, right: Part) -> Part:
    """A sum, product or joined text; text that is missing is empty, division is never whole."""
    if sign == "&" or (sign == "+" and "text" in (left.kind, right.kind)):
        return Part(f"(COALESCE({left.sql}, '') || COALESCE({right.sql}, ''))", "text")
    divisor = f"NULLIF({right.sql}, 0)" if sign == "/" else right.sql
    whole = " * 1.0" if sign == "/" else ""
    return Part(f"({left.sql}{whole} {sign} {divisor})", "number")


def _readable(part: Part) -> str:
    """A moment without the zone that SQLite does not read."""
    return f"substr({part.sql}, 1, 19)"


def _joined(word: str) -> Callable[..., Part]:
    return lambda *parts: boolean("(" + word.join(part.sql for part in parts) + ")")


def _choose(condition: Part, then: Part, otherwise: Part) -> Part:
    kind = then.kind if then.sql != "NULL" else otherwise.kind
    return Part(f"CASE WHEN {condition.sql} THEN {then.sql} ELSE {otherwise.sql} END", kind)


def _case(value: Part, *parts: Part) -> Part:
    pairs = zip(parts[:-1:2], parts[1::2], strict=True)
    whens = " ".join(f"WHEN {when.sql} THEN {then.sql}" for when, then in pairs)
    return Part(f"CASE {value.sql} {whens} ELSE {parts[-1].sql} END", parts[-1].kind)


def _or_else(value: Part, otherwise: Part) -> Part:
    return Part(f"COALESCE({value.sql}, {otherwise.sql})", value.kind)


def _text(value: Part) -> Part:
    """A number without the zeros that it need not have."""
    if value.kind != "number":
        return Part(value.sql, "text")
    return Part(f"CASE WHEN {value.sql} IS NULL THEN NULL ELSE printf('%.15g', {value.sql}) END", "text")


def _of_text(function: str, kind: str = "text") -> Callable[[Part], Part]:
    return lambda value: Part(f"{function}({value.sql})", kind)


def _round(value: Part, places: Part) -> Part:
    return Part(f"ROUND({value.sql}, {places.sql})", "number")


def _left(value: Part, count: Part) -> Part:
    return Part(f"substr({value.sql}, 1, {count.sql})", "text")


def _right(value: Part, count: Part) -> Part:
    return Part(f"substr({value.sql}, -{count.sql})", "text")


def _contains(value: Part, part: Part) -> Part:
    return boolean(f"(instr(COALESCE({value.sql}, ''), {part.sql}) > 0)")


def _begins(value: Part, start: Part) -> Part:
    return boolean(f"(instr(COALESCE({value.sql}, ''), {start.sql}) = 1)")


def _date_part(shape: str) -> Callable[[Part], Part]:
    return lambda value: Part(f"CAST(strftime('{shape}', {_readable(value)}) AS INTEGER)", "number")


def _greatest(function: str) -> Callable[..., Part]:
    return lambda *parts: Part(f"{function}({', '.join(part.sql for part in parts)})", "number")


FUNCTIONS: dict[str, Callable[..., Part]] = {
    "ABS": _of_text("ABS", "number"),
    "AND": _joined(" AND "),
    "BEGINS": _begins,
    "BLANKVALUE": _or_else,
    "CASE": _case,
    "CONTAINS": _contains,
    "DATEVALUE": lambda value: Part(f"substr({value.sql}, 1, 10)", "date"),
    "DAY": _date_part("%d"),
    "IF": _choose,
    "ISBLANK": lambda value: boolean(f"({value.sql} IS NULL)"),
    "ISNULL": lambda value: boolean(f"({value.sql} IS NULL)"),
    "ISPICKVAL": lambda value, choice: compared(value, "=", choice),
    "LEFT": _left,
    "LEN": lambda value: Part(f"LENGTH(COALESCE({value.sql}, ''))", "number"),
    "LOWER": _of_text("LOWER"),
    "MAX": _greatest("MAX"),
    "MIN": _greatest("MIN"),
    "MONTH": _date_part("%m"),
    "NOT": lambda value: boolean(f"(NOT {value.sql})"),
    "NOW": lambda: Part("sandbox_now()", "datetime"),
    "NULLVALUE": _or_else,
    "OR": _joined(" OR "),
    "RIGHT": _right,
    "ROUND": _round,
    "TEXT": _text,
    "TODAY": lambda: Part("sandbox_today()", "date"),
    "TRIM": _of_text("TRIM"),
    "UPPER": _of_text("UPPER"),
    "VALUE": lambda value: Part(f"CAST({value.sql} AS REAL)", "number"),
    "YEAR": _date_part("%Y"),
}
