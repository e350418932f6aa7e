"""Lists that go on: a page says where the next one begins, and nothing is ever counted or skipped over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flask import request, url_for


class _Row(Protocol):
    @property
    def id(self) -> int: ...


def before_of_address() -> int | None:
    """Where this page begins, by the address's `before`; None for the first page, and for what is no ID."""
    text = request.args.get("before", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def older_page(found: Sequence[_Row], shown: int) -> str | None:
    """The address of the next page, where one row more was found than is shown."""
    return address(before=found[shown - 1].id) if len(found) > shown else None


def address(**changed: object) -> str:
    """The address of this page, with what is given; None takes something out."""
    given = {**request.args.to_dict(), **changed}
    kept = {name: str(value) for name, value in given.items() if value is not None and value != ""}
    return url_for(request.endpoint or "", **{**(request.view_args or {}), **kept})
