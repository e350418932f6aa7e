"""What is given on the command line, read and checked."""

from __future__ import annotations

import getpass
import json
import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import click

_PART = re.compile(r"(\d+(?:\.\d+)?)(s|min|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}

#: Far more than anything here needs, and little enough for PostgreSQL's arithmetic.
_LONGEST = timedelta(days=3_650)


class _Id(click.IntRange):
    name = "ID"


ID = _Id(min=1, max=2**63 - 1)


class Duration(click.ParamType[timedelta]):
    """`30s`, `5m`, `1h30m`, `2d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        text = value.replace(" ", "").lower()
        parts = _PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            self.fail(f"{value!r} is no duration: write 30s, 5m, 1h30m or 2d.", param, ctx)
        length = timedelta(seconds=min(sum(float(number) * _SECONDS[unit] for number, unit in parts), 1e10))
        if length > _LONGEST:
            self.fail(f"{value!r} is longer than {_LONGEST.days} days.", param, ctx)
        return length


class Moment(click.ParamType[datetime]):
    """A point in time with its zone, ISO 8601."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time: write 2026-03-01T12:00:00Z, or +01:00 for another zone.", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} needs its zone: Z for UTC, or such as +01:00.", param, ctx)
        return moment


class JsonObject(click.ParamType[dict[str, Any]]):
    """A JSON object."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        try:
            read = json.loads(value)
        except (ValueError, RecursionError) as error:
            self.fail(f'this is no JSON: {error}. Quote it for the shell: \'{{"message": "hello"}}\'', param, ctx)
        if not isinstance(read, dict):
            self.fail('a payload is a JSON object, such as {"message": "hello"}', param, ctx)
        return read


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON: stable keys, times in UTC.")(command)


def account_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--account` to a command."""
    return click.option("--account", metavar="ID|NAME", help="The account, by ID or by name.")(command)


def operator_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--by` to a command: who acts, as people will read it."""
    return click.option(
        "--by", "operator", default=system_user, metavar="NAME", show_default="the system's user", help="Who acts."
    )(command)


def system_user() -> str:
    """Who runs this, as the system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number that no list of users knows.
        return f"user {os.getuid()}"
