"""What a request may be made of, whatever it asks for: nothing that no row can hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from flask import Flask, request
from werkzeug.exceptions import BadRequest
from werkzeug.routing import IntegerConverter, Map

#: PostgreSQL's bigint ends here (PostgreSQL documentation, "Numeric Types"), and so do IDs.
MAX_ID = 2**63 - 1

#: JSON nested deeper than this is nobody's payload.
MAX_DEPTH = 64

_NUL = "\0"


class _IdConverter(IntegerConverter):
    """A larger number leads nowhere: 404."""

    def __init__(self, map: Map) -> None:  # noqa: A002 - the name Werkzeug gave it
        super().__init__(map, max=MAX_ID)


def limit_inputs(app: Flask) -> None:
    """Let routes with numbers take those that an ID can be; for use before there is any route."""
    app.url_map.converters["int"] = _IdConverter


def is_deeper(value: Any, depth: int) -> bool:
    """Whether lists and objects of JSON are nested in one another more than so many times."""
    layer = [value]
    for _ in range(depth + 1):
        layer = [inner for outer in layer for inner in _inside(outer)]
    return bool(layer)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def refuse_nul() -> None:
    """PostgreSQL's texts cannot hold a NUL, and nobody types one.

    Raises:
        BadRequest: there is one.
    """
    if any(_NUL in text for text in _texts()):
        raise BadRequest("There is a NUL character in this.")


def _texts() -> Iterator[str]:
    yield request.path
    given = request.authorization
    if given is not None:
        yield from (given.username or "", given.password or "")
    for values in (request.args, request.form):
        for name, value in values.items(multi=True):
            yield from (name, value)
