"""String literals ("Quoted String Escape Sequences")."""

from __future__ import annotations

import re

from infra.local.salesforce.soql.places import Misplaced, malformed

_PIECE = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)|([^\\]+)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}

#: What stands before a character of a pattern that is meant as itself.
PATTERN_ESCAPE = "\\"


def unquoted(literal: str, at: int) -> tuple[str, str]:
    r"""A literal's value, and the value as a LIKE pattern, in which `\_`, `\%` and `\\` are still escaped.

    Raises:
        Misplaced: MALFORMED_QUERY, an escape sequence that there is not.
    """
    pairs = [_piece(match, literal, at) for match in _PIECE.finditer(literal[1:-1])]
    return _whole("".join(value for value, _ in pairs)), _whole("".join(pattern for _, pattern in pairs))


def _whole(text: str) -> str:
    """The text with what was written as two halves of a character put together; a half alone is none."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _piece(match: re.Match[str], literal: str, at: int) -> tuple[str, str]:
    code, escaped, plain = match.groups()
    if plain is not None:
        return plain, plain
    value = chr(int(code, 16)) if code else _escape(escaped, literal, at)
    return value, PATTERN_ESCAPE + value if value in "_%\\" else value


def _escape(letter: str, literal: str, at: int) -> str:
    if letter in "_%":
        return letter
    found = _ESCAPES.get(letter.lower())
    if found is None:
        shown = f"Invalid string literal {literal}. Illegal character sequence '\\{letter}' in string literal."
        raise Misplaced(at, malformed(shown))
    return found
